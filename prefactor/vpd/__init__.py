"""Adversarial parameter decomposition (VPD): subcomponents of each matrix, and which of them each token needs."""
