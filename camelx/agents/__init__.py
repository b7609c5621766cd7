"""Agents: roles on model backends, behind one `ask`. The only room that imports CAMEL.

In goes an `AgentsConfig` and the policy that the cycle improves; out come agents that turn messages into a
`Reply`. Every kind of backend (in-process transformers model, OpenAI-compatible server, anything that CAMEL's
ModelFactory makes, scripted replies) is a CAMEL model backend, and every call goes through a CAMEL ChatAgent.
Called by `camelx.stages` and `camelx.champion_agent`.

Names are loaded when first used: CAMEL takes two seconds to import and PyTorch another one.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from camelx.agents.policy import PolicyModel, context_length

if TYPE_CHECKING:
    from camelx.agents.checks import check_team
    from camelx.agents.engines import SharedEngines
    from camelx.agents.live import CUT, LiveAgent
    from camelx.agents.loading import open_model, token_counter
    from camelx.agents.streaming import Listener
    from camelx.agents.team import Team, camel_agent, open_team

# CAMEL calls logging.basicConfig with stdout when imported, which would garble `--json`.
os.environ.setdefault("CAMEL_LOGGING_DISABLED", "true")

__all__ = [
    "CUT",
    "Listener",
    "LiveAgent",
    "PolicyModel",
    "SharedEngines",
    "Team",
    "camel_agent",
    "check_team",
    "context_length",
    "open_model",
    "open_team",
    "token_counter",
]

_MODULES = {
    "CUT": "live",
    "Listener": "streaming",
    "LiveAgent": "live",
    "SharedEngines": "engines",
    "Team": "team",
    "camel_agent": "team",
    "check_team": "checks",
    "open_model": "loading",
    "open_team": "team",
    "token_counter": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
