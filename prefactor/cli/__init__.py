"""The command line: ``prefactor components``, ``edit``, ``label`` and the like."""
