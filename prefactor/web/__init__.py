"""What the report's page and the live bench share in a browser: bundles, colours, and how numbers are written."""
