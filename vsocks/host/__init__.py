"""The host daemon, which connects to the targets."""
