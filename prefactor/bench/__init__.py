"""The live bench: prefactors dragged in a browser, and what they do."""
