"""The report: one page for people, one JSON for machines, one CSV for plots, made from tables only."""
