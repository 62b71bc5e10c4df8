"""What DVC has recorded of outputs, and whether they are still that."""
