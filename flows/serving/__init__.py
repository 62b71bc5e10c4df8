"""Prefect servers: one for a run, one that lasts, its database, its worker, its deployments."""
