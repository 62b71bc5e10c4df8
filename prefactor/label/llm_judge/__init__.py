"""Labels tested by a language model. The prompts stand beside the code, a version a file."""
