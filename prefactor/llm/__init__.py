"""Asking a language model behind an OpenAI-compatible endpoint, so that nothing is paid for twice."""
