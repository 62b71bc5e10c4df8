"""What a command finds around it, and how it begins, waits, says what went wrong, and ends."""
