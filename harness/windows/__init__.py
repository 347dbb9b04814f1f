"""The Windows guest: building its image unattended, booting it, and what can be done with it."""
