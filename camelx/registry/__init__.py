"""The registry of adapters, in MLflow: runs with their curves, versions with their lineage, the champion.

A trained adapter directory goes in; an `AdapterVersion` with a local path comes out. The training,
evaluation and registration stages call it, so do `camelx promote` and `camelx rollback`. It is the only
room that imports mlflow, at the first call.
"""

from camelx.registry.registry import CHALLENGER, CHAMPION, Registry

__all__ = ["CHALLENGER", "CHAMPION", "Registry"]
