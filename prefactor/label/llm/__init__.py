"""Labelling and judging by a language model: the prompts stand beside the code, a version a file."""
