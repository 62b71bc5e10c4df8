"""Files that can be trusted: atomic, checksummed, resumable, and what they cost."""
