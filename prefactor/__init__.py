"""Prefactor: edit a language model by rescaling named pieces of its own weights."""
