"""The tools that agents.yaml gives to an agent: CAMEL's toolkits by name, and functions of the user's own."""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Sequence

import camel.toolkits
from camel.toolkits import BaseToolkit, FunctionTool, RegisteredAgentToolkit

from camelx.config.section import nearest_hint
from camelx.errors import ConfigError, boundary


def open_tools(names: Sequence[str]) -> tuple[FunctionTool, ...]:
    """Return the tools of all toolkits and functions that are named.

    Raises:
        ConfigError: CAMEL has no such toolkit or it needs a package, a key or settings that are not there; a
            function can't be imported or has no docstring, which is all that a model knows of it; or two
            tools have one name.
    """
    tools = tuple(tool for name in names for tool in (_function(name) if ":" in name else _toolkit(name)))
    known = Counter(tool.get_function_name() for tool in tools)
    if twice := [name for name, n in known.items() if n > 1]:
        raise ConfigError(f"tools {', '.join(names)}: more than one is called {', '.join(twice)}; keep one")
    return tools


def _toolkit(name: str) -> list[FunctionTool]:
    kind = _toolkits().get(name)
    if kind is None:
        raise ConfigError(
            f"CAMEL has no toolkit {name!r}, and a function is written 'package.module:function'"
            f"{nearest_hint(name, _toolkits())}"
        )
    with boundary(ConfigError, f"opening toolkit {name!r} without settings"):
        tools = list(kind().get_tools())
    if not tools:
        raise ConfigError(f"toolkit {name!r} has no tools without settings; name a function of your own")
    return tools


def _toolkits() -> dict[str, type[BaseToolkit]]:
    """Return CAMEL's toolkits by name, but for those that act on the agent: it lives for one ask."""
    found = inspect.getmembers(camel.toolkits, inspect.isclass)
    return {
        name: kind
        for name, kind in found
        if issubclass(kind, BaseToolkit)
        and kind is not BaseToolkit
        and not issubclass(kind, RegisteredAgentToolkit)
    }


def _function(name: str) -> list[FunctionTool]:
    module, _, attribute = name.partition(":")
    with boundary(ConfigError, f"importing tool {name!r}"):
        function = getattr(importlib.import_module(module), attribute)
    if not inspect.isroutine(function):
        raise ConfigError(f"tool {name!r} is a {type(function).__name__}, expected a function")
    if not inspect.getdoc(function):
        raise ConfigError(f"tool {name!r} has no docstring: the model reads there what it is for")
    with boundary(ConfigError, f"reading the signature of tool {name!r}"):
        return [FunctionTool(function)]
