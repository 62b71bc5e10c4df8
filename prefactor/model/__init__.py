"""The target model: its matrices, changes of its weights, and what it makes of text."""
