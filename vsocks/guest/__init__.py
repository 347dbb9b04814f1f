"""The guest daemon: where clients connect."""
