"""What there is on Windows only: the program, the service, and what they say."""
