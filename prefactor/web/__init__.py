"""What the report's page and the live bench share in a browser: one way to bundle scripts, one set of colours."""
