"""Switches off everything that our libraries send home, before any of them is imported.

Called first thing by the command line and the flows; a program that imports camelx on its own calls
`turn_off_telemetry` itself. A value that the user has set is never changed.
"""

from __future__ import annotations

import os

# The exact spellings matter: MLflow wants "true", Gradio "False". Prefect's v2 UI calls out even with
# analytics off, the v1 UI does not.
_SWITCHES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "CAMEL_LOGGING_DISABLED": "true",
    "TOKENIZERS_PARALLELISM": "false",
}
_HUB = "HF_HUB_OFFLINE"
_ours: set[str] = set()


def turn_off_telemetry() -> None:
    """Set the switch of every library that phones home, and keep the model hub from being asked."""
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    if _HUB not in os.environ:
        os.environ[_HUB] = "1"
        _ours.add(_HUB)


def let_hub_answer() -> None:
    """Take back the hub's switch, for a config that names a hub model, unless the user has set it."""
    if _HUB in _ours:
        os.environ[_HUB] = "0"
