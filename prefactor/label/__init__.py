"""Labels: a hypothesis in at most 8 words on what a subcomponent is about, with its evidence and score."""
