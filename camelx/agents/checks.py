"""What can be known to fail before a cycle starts: servers, keys, model directories, scripts, tools."""

from __future__ import annotations

from typing import assert_never

import httpx

from camelx.agents.factory import NO_KEY, api_key, check_platform
from camelx.agents.policy import PolicyModel, check_files, policy_for
from camelx.agents.scripted import ScriptedBackend
from camelx.agents.tools import open_tools
from camelx.config import (
    AgentsConfig,
    BackendConfig,
    CamelBackendConfig,
    OpenAIBackendConfig,
    ScriptedBackendConfig,
    TransformersBackendConfig,
)
from camelx.errors import AgentError, ConfigError

_TIMEOUT_S = 5.0


def check_team(config: AgentsConfig, policy: PolicyModel) -> None:
    """Check every backend and tool that an agent uses, without loading a model or asking one.

    Raises:
        ConfigError: A key's variable is not set, a script has a bad line, a tool or a model directory is
            missing.
        AgentError: A server does not answer or refuses the key, or an adapter directory is unsafe.
    """
    for agent in config.agents:
        try:
            open_tools(agent.tools)
        except ConfigError as e:
            raise ConfigError(f"agent {agent.name!r}: {e}") from e
    for name in sorted({agent.backend for agent in config.agents}):
        try:
            _check(config.backends[name], policy)
        except ConfigError as e:
            raise ConfigError(f"backend {name!r}: {e}") from e
        except AgentError as e:
            raise AgentError(f"backend {name!r}: {e}", retryable=e.retryable) from e


def _check(config: BackendConfig, policy: PolicyModel) -> None:
    match config:
        case TransformersBackendConfig():
            check_files(policy_for(config, policy))
        case OpenAIBackendConfig():
            _check_server(config.url, api_key(config.api_key_env))
        case CamelBackendConfig():
            check_platform(config.platform)
            key = api_key(config.api_key_env)
            if config.url:
                _check_server(config.url, key)
        case ScriptedBackendConfig():
            ScriptedBackend(config)
        case _:
            assert_never(config)


def _check_server(url: str, key: str | None) -> None:
    """Ask for the list of models. A server that answers is there, whatever it answers.

    Some have no such list (404); `transformers serve` fails to make one without a network (500).
    """
    address = f"{url.rstrip('/')}/models"
    try:
        answer = httpx.get(address, headers={"Authorization": f"Bearer {key or NO_KEY}"}, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        raise AgentError(
            f"no model server answers at {url} ({type(e).__name__}: {e}); start it, or correct the url in "
            "agents.yaml",
            retryable=True,
        ) from e
    if answer.status_code in (401, 403):
        raise AgentError(f"the server at {url} refuses the key ({answer.status_code}); set api_key_env")
    if answer.status_code in (502, 503, 504):
        raise AgentError(
            f"the server at {url} answers {answer.status_code} to GET /models; is it still loading?",
            retryable=True,
        )
