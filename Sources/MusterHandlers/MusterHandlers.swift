// MusterHandlers
