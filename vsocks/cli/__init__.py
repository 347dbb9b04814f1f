"""What is typed: commands, options, logs."""
