"""What an edit did: rollouts, intervals over draws, and whether it lasts."""
