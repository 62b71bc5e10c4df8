"""Labels by a language model. The prompt stands beside the code, a version a file."""
