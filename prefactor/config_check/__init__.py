"""What the sections of ``params.yaml`` must agree on, and the text that they ask for."""
