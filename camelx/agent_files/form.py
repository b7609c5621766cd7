"""Agents and backends as a form: what it shows of a text, and one change of the form made in the text.

In: the text of an agents file and one field, agent or backend that changes. Out: the text with just that
changed. The text stays the only truth; what the form shows is read from it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from camelx.agent_files.editing import Path, renamed_key, with_item, with_section, with_value, without
from camelx.config import AgentConfig, BackendConfig, SamplingConfig, plain_document
from camelx.errors import ConfigError

AGENT_FIELDS = ("name", "role", "backend", "count", "samples", "sampling", "tools", "system")
SAMPLING_FIELDS = ("temperature", "top_p", "max_tokens")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SECTIONS: dict[str, type[BaseModel]] = {
    str(get_args(section.model_fields["kind"].annotation)[0]): section
    for section in get_args(get_args(BackendConfig)[0])
}
BACKEND_KINDS = tuple(_SECTIONS)
_NEEDED = {"model": "my-model", "url": "http://localhost:8000/v1", "platform": "ollama"}
"""What a new backend says where its kind has no default; to be filled in."""


class FormText(BaseModel):
    """What the form shows of a text: whatever can be read of it, mistakes or not."""

    agents: list[dict[str, Any]]
    backends: dict[str, dict[str, Any]]


def read_form(text: str) -> FormText | None:
    """Return the agents and backends that a text declares; None: it is no YAML that a form could show."""
    try:
        document = plain_document(text)
    except ConfigError:
        return None
    agents, backends = document.get("agents"), document.get("backends")
    if not isinstance(agents, list) or not isinstance(backends, dict):
        return None
    if not all(isinstance(part, dict) for part in (*agents, *backends.values())):
        return None
    return FormText(agents=agents, backends=backends)


def agent_field(agent: Mapping[str, Any], field: str) -> Any:
    """Return what a field of an agent is, its default where the text does not say."""
    if field in SAMPLING_FIELDS:
        sampling = agent.get("sampling")
        given = sampling if isinstance(sampling, Mapping) else {}
        return given.get(field, SamplingConfig.model_fields[field].default)
    if field in agent:
        return agent[field]
    default = AgentConfig.model_fields[field].get_default()
    return list(default) if isinstance(default, tuple) else default


def set_agent_field(text: str, index: int, field: str, value: Any) -> str:
    """Return the text with another value of an agent's field; a default that is not written stays so.

    Raises:
        ConfigError: There is no such agent, or the text has no place for it.
    """
    agent = _agents(text, index)[index]
    if agent_field(agent, field) == value:
        return text
    if field in SAMPLING_FIELDS:
        return with_value(text, ("agents", index, "sampling", field), value, SAMPLING_FIELDS)
    return with_value(text, ("agents", index, field), value, AGENT_FIELDS)


def add_agent(text: str, name: str, role: str = "executor") -> str:
    """Return the text with one more agent, on the first backend, with the sampling that agents have.

    Raises:
        ConfigError: The name is taken or no name, or the text declares no backend and agent yet.
    """
    form = _form(text)
    _check_name(name, [str(agent.get("name")) for agent in form.agents], "agent")
    alike = next((a for a in form.agents if a.get("role") == role), form.agents[0] if form.agents else {})
    agent = {
        "name": name,
        "role": role,
        "backend": alike.get("backend") or next(iter(form.backends), "policy"),
        "sampling": alike.get("sampling") or {"temperature": 1.0, "max_tokens": 512},
        "system": alike.get("system") or "Say what the agent is to do.",
    }
    return with_item(text, ("agents",), agent)


def remove_agent(text: str, index: int) -> str:
    """Return the text without an agent.

    Raises:
        ConfigError: There is no such agent, or it is the only one.
    """
    _agents(text, index)
    return without(text, ("agents", index))


def backend_fields(kind: str) -> dict[str, Any]:
    """Return the fields of a kind of backend that are no sections, with their defaults.

    Raises:
        ConfigError: There is no such kind.
    """
    if kind not in _SECTIONS:
        raise ConfigError(f"there is no backend of kind {kind!r}; valid are {', '.join(BACKEND_KINDS)}")
    return {
        name: None if field.is_required() else field.get_default()
        for name, field in _SECTIONS[kind].model_fields.items()
        if name not in ("kind", "price", "retry", "replies")
    }


def set_backend_field(text: str, name: str, field: str, value: Any) -> str:
    """Return the text with another value of a backend's field; None takes the field away.

    Raises:
        ConfigError: There is no such backend, or the text has no place for it.
    """
    backend = _backend(text, name)
    default = backend_fields(str(backend.get("kind"))).get(field)
    if backend.get(field, default) == value:
        return text
    path: Path = ("backends", name, field)
    if value is None:
        return without(text, path) if field in backend else text
    return with_value(text, path, value, ("kind", *backend_fields(str(backend.get("kind")))))


def add_backend(text: str, name: str, kind: str) -> str:
    """Return the text with one more backend of a kind; what has no default is to be filled in.

    Raises:
        ConfigError: The name is taken or no name, there is no such kind, or no place for it.
    """
    _check_name(name, list(_form(text).backends), "backend")
    needed = [key for key, value in backend_fields(kind).items() if value is None and key in _NEEDED]
    required = [key for key in needed if _SECTIONS[kind].model_fields[key].is_required()]
    return with_section(text, ("backends", name), {"kind": kind, **{key: _NEEDED[key] for key in required}})


def remove_backend(text: str, name: str) -> str:
    """Return the text without a backend.

    Raises:
        ConfigError: There is none of that name, it is the only one, or agents run on it.
    """
    _backend(text, name)
    users = [str(agent.get("name")) for agent in _form(text).agents if agent.get("backend") == name]
    if users:
        raise ConfigError(f"backend {name!r} is used by {', '.join(users)}; give these another one first")
    return without(text, ("backends", name))


def rename_backend(text: str, name: str, new: str) -> str:
    """Return the text with another name for a backend, where agents name it too.

    Raises:
        ConfigError: There is none of that name, or the new one is taken or no name.
    """
    form = _form(text)
    _backend(text, name)
    if new == name:
        return text
    _check_name(new, list(form.backends), "backend")
    text = renamed_key(text, ("backends", name), new)
    for index, agent in enumerate(form.agents):
        if agent.get("backend") == name:
            text = with_value(text, ("agents", index, "backend"), new)
    return text


def _form(text: str) -> FormText:
    form = read_form(text)
    if form is None:
        raise ConfigError("the text is no agents file that a form can change yet; put it right as text first")
    return form


def _agents(text: str, index: int) -> list[dict[str, Any]]:
    agents = _form(text).agents
    if not 0 <= index < len(agents):
        raise ConfigError(f"there is no agent {index + 1}; the text declares {len(agents)}")
    return agents


def _backend(text: str, name: str) -> dict[str, Any]:
    backends = _form(text).backends
    if name not in backends:
        raise ConfigError(f"there is no backend {name!r}; declared are {', '.join(backends) or 'none'}")
    return backends[name]


def _check_name(name: str, taken: list[str], what: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"the name of a new {what} has letters, digits, '_', '.' and '-' only, got {name!r}"
        )
    if name in taken:
        raise ConfigError(f"there is a {what} called {name!r} already")
