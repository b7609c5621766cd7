"""Prefect: the only room of camelx that knows it.

`server` finds or starts the Prefect server, `attached` ties a child process to this one, `publishing`
makes tasks of stages and shows their progress and results in the Prefect UI, `runs` runs a flow in this
process and sets orphaned runs to Crashed, `services` keeps server, worker and MLflow UI up. Called by
`tasks/`, `flows/` and the command line. The modules are imported one by one: `server` and `attached` load
no Prefect, so that a server process can start while the rest is being imported.
"""
