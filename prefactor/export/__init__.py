"""Edits for other tools, and for later: adapters, merged checkpoints, model cards, params."""
