"""What a run leaves behind for people: in a terminal, on Prefect's page."""
