"""Prefect tasks: one line each, one file per failure boundary."""
