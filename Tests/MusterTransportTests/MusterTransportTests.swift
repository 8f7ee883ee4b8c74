// MusterTransportTests
