"""Decompositions and edits as things with a name, a version and a card: written, found again, checked."""
