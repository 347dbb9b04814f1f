"""What a guest may reach. Pure."""
