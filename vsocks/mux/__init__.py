"""One channel <-> many streams."""
