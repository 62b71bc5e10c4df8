"""Edits: small changes of a few weight matrices, all of them low-rank, all fitted by one loss."""
