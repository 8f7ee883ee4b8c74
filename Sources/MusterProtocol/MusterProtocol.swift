// MusterProtocol
