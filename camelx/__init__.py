"""camelx makes LLM agents better at their own work, on a schedule, and proves it.

    model, tokenizer = camelx.load_champion()             # ready to generate
    camelx.champion_agent().step("Goal: ...")             # a CAMEL ChatAgent on it

Everything else is reached through the `camelx` command or the modules of this package. Importing the
package loads no model library; what does is imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from camelx.errors import CamelxError

if TYPE_CHECKING:
    from camelx.cycles.policies import champion_agent, load_champion

__version__ = "0.1.0"
__all__ = ["CamelxError", "__version__", "champion_agent", "load_champion"]


def __getattr__(name: str) -> Any:
    if name in ("champion_agent", "load_champion"):
        from camelx.cycles import policies

        return getattr(policies, name)
    raise AttributeError(f"module 'camelx' has no attribute {name!r}")
