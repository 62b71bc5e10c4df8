"""What a run reads and the work tree lacks, or has in a damaged state: from the cache, from the remote."""
