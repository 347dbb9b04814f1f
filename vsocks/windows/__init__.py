"""Windows only: the service, the event log, and the system's proxy settings."""
