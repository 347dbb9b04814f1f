"""What goes through the control socket: what a command asks of the host daemon, and its answer."""
