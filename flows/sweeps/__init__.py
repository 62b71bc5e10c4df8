"""Many edits of one decomposition: what they are, where each is made, and the table of what came of them."""
