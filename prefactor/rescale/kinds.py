"""What is done to every alive subcomponent: free of torch, since who reads the effects needs none."""

PREFACTORS = {"ablate": 0.0, "invert": -1.0}
