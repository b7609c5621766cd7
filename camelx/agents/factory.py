"""Backends that CAMEL's ModelFactory makes: OpenAI-compatible servers, and its other platforms by name."""

from __future__ import annotations

import inspect
import logging
import os
from typing import Any

from camel.models import BaseModelBackend, ModelFactory
from camel.types import ModelPlatformType

from camelx.agents.chat import request_seed
from camelx.agents.completions import TokenCounter
from camelx.agents.streaming import listening, streams
from camelx.config import CamelBackendConfig, OpenAIBackendConfig, SamplingConfig
from camelx.config.section import nearest_hint
from camelx.errors import AgentError, ConfigError, boundary

log = logging.getLogger(__name__)

NO_KEY = "not-needed"
"""Sent to servers without a key: the OpenAI client insists on one."""


class _CallConfig(dict[str, Any]):
    """A model config whose copies hold the seed of the call under way, and stream where somebody listens.

    CAMEL copies the config for each request; a backend per request would open new connections each time.
    """

    sends_seed = True

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        copied = dict(self)
        if self.sends_seed:
            copied["seed"] = request_seed.get()
        if streams.get() and listening.get() is not None:
            copied |= {"stream": True, "stream_options": {"include_usage": True}}
        return copied


def openai_client(config: OpenAIBackendConfig, *, concurrency: int) -> Any:
    """Return the HTTP client of a server, with as many connections as calls may be under way."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient
    from openai._constants import DEFAULT_CONNECTION_LIMITS

    limits = type(DEFAULT_CONNECTION_LIMITS)(
        max_connections=concurrency, max_keepalive_connections=concurrency
    )
    return AsyncOpenAI(
        base_url=config.url,
        api_key=api_key(config.api_key_env) or NO_KEY,
        timeout=config.timeout_s,
        max_retries=0,  # retries are ours, and counted
        http_client=DefaultAsyncHttpxClient(limits=limits, timeout=config.timeout_s),
    )


def openai_backend(config: OpenAIBackendConfig, sampling: SamplingConfig, client: Any) -> BaseModelBackend:
    """Return the backend of an OpenAI-compatible server, on a client that backends may share."""
    arguments = _CallConfig(_sampling_arguments(sampling))
    arguments.sends_seed = config.send_seed
    backend = ModelFactory.create(
        model_platform=ModelPlatformType.OPENAI_COMPATIBLE_MODEL,
        model_type=config.model,
        model_config_dict=arguments,
        token_counter=TokenCounter(),
        api_key=api_key(config.api_key_env) or NO_KEY,
        url=config.url,
        timeout=config.timeout_s,
        max_retries=0,
        async_client=client,
    )
    return _without_think_stripping(backend)


def camel_backend(config: CamelBackendConfig, sampling: SamplingConfig) -> BaseModelBackend:
    """Return the backend that ModelFactory makes for the platform and the model.

    Raises:
        ConfigError: CAMEL knows no such platform, or the key's variable is not set.
        AgentError: CAMEL can't make the backend, for want of a package for instance.
    """
    check_platform(config.platform)
    with boundary(AgentError, f"CAMEL backend of platform {config.platform!r}, model {config.model!r}"):
        backend = ModelFactory.create(
            model_platform=config.platform,
            model_type=config.model,
            model_config_dict=_sampling_arguments(sampling),
            token_counter=TokenCounter(),
            api_key=api_key(config.api_key_env),
            url=config.url,
            timeout=config.timeout_s,
            max_retries=0,
        )
    return _without_think_stripping(backend)


async def close_camel_backend(backend: BaseModelBackend) -> None:
    """Close the clients that a `camel_backend` keeps by CAMEL's usual names; CAMEL never does.

    Their answers are there already: one that can't be closed is logged.
    """
    for name in ("_async_client", "_client"):
        client = getattr(backend, name, None)
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        try:
            with boundary(AgentError, f"closing a connection of {type(backend).__name__}"):
                if close is not None and inspect.isawaitable(closing := close()):
                    await closing
        except AgentError as e:
            log.warning("%s", e)


def api_key(variable: str | None) -> str | None:
    """Return the key that the environment variable holds; None where no variable is named.

    Raises:
        ConfigError: The variable is not set, or can't be sent in a header.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()  # a key read from a file brings a line feed along
    if not key:
        raise ConfigError(f"environment variable {variable}, named by api_key_env, is not set; export it")
    if not (key.isascii() and key.isprintable()):  # HTTP clients would show it in their error
        raise ConfigError(f"environment variable {variable} holds characters that no key has; export it anew")
    return key


def check_platform(platform: str) -> None:
    """Raise ConfigError where CAMEL knows no platform of that name."""
    valid = [p.value for p in ModelPlatformType]
    if platform not in valid:
        raise ConfigError(f"CAMEL has no platform {platform!r}{nearest_hint(platform, valid)}")


def _sampling_arguments(sampling: SamplingConfig) -> dict[str, Any]:
    """Return OpenAI's names for the sampling; top_p only where it does something, since some refuse it."""
    arguments: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    return arguments if sampling.top_p == 1 else arguments | {"top_p": sampling.top_p}


def _without_think_stripping(backend: BaseModelBackend) -> BaseModelBackend:
    # Interactions hold what was really asked and answered; CAMEL would cut <think> out of both.
    backend._extract_thinking_from_response = False
    return backend
