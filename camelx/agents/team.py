"""The agents of a cycle, made from agents.yaml, and what they share: loaded models and connections."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, assert_never

from camelx.agents.chat import BackendAgent
from camelx.agents.engines import Engines
from camelx.agents.factory import camel_backend, close_camel_backend, openai_backend, openai_client
from camelx.agents.policy import PolicyModel, policy_for
from camelx.agents.retrying import NO_RETRY
from camelx.agents.scripted import ScriptedBackend
from camelx.agents.tools import open_tools
from camelx.config import (
    AgentConfig,
    AgentsConfig,
    CamelBackendConfig,
    OpenAIBackendConfig,
    RetryConfig,
    SamplingConfig,
    ScriptedBackendConfig,
    TransformersBackendConfig,
)
from camelx.schemas import Agent, Role

if TYPE_CHECKING:
    from camel.agents import ChatAgent


def open_team(
    config: AgentsConfig,
    policy: PolicyModel,
    *,
    concurrency: int,
    roles: Collection[Role] = tuple(Role),
    engines: Engines | None = None,
) -> Team:
    """Return the agents of the config, models loaded; use it as `async with open_team(...) as team`.

    Args:
        config: agents.yaml.
        policy: What "model: policy, adapter: champion" stands for.
        concurrency: Most calls that will be under way at once; connections are kept for so many.
        roles: Whose agents will be asked, each in its own role; tools are opened for these alone.
        engines: Where in-process models are loaded; None: the team loads its own.

    Raises:
        ConfigError: A key's variable is not set, a script has a bad line, a tool or a model directory is
            missing.
        AgentError: A model can't be loaded.
    """
    return Team(config, policy, concurrency=concurrency, roles=roles, engines=engines)


def camel_agent(
    policy: PolicyModel,
    *,
    system: str | None = None,
    max_tokens: int = 256,
    temperature: float = 0.0,
    top_p: float = 1.0,
    device: str = "auto",
) -> ChatAgent:
    """Return a CAMEL ChatAgent on the policy: `agent.step("...")` and `await agent.astep("...")` answer."""
    from camel.agents import ChatAgent

    from camelx.agents.transformers_backend import TransformersBackend, open_engine

    sampling = SamplingConfig(temperature=temperature, top_p=top_p, max_tokens=max_tokens)
    backend = TransformersBackend(open_engine(policy, device=device, max_batch=32), sampling, policy.label)
    return ChatAgent(
        system_message=system,
        model=backend,
        summarize_threshold=None,
        token_limit=backend.token_limit,
        step_timeout=None,
    )


class Team:
    """The agents of one config; close it to close its connections."""

    def __init__(
        self,
        config: AgentsConfig,
        policy: PolicyModel,
        *,
        concurrency: int,
        roles: Collection[Role],
        engines: Engines | None = None,
    ) -> None:
        """Load the models and make the agents; see `open_team`."""
        self._config, self._policy, self._concurrency = config, policy, concurrency
        self._engines = Engines() if engines is None else engines
        self._clients: dict[str, Any] = {}
        self._connections = AsyncExitStack()
        self._agents = {
            c.name: self._made(c, c.role, c.system, c.sampling, tools=open_tools(c.tools))
            for c in config.agents
            if c.role in roles
        }

    def agents(self, role: Role) -> list[BackendAgent]:
        """Return the agents of a role; several of one kind are named name-1, name-2, ..."""
        return [agent for c in self._config.with_role(role) for agent in self._agents[c.name]]

    def judges(self, *, peers: bool) -> dict[str, Agent]:
        """Return who reviews, by name: the PeerReviewers, and with `peers` the other agents too.

        A peer judges on its own backend and under its own name, with the first PeerReviewer's system
        message and sampling, and without the tools of its own role.
        """
        judges: dict[str, Agent] = {agent.name: agent for agent in self.agents(Role.PEER_REVIEWER)}
        if peers:
            first = self._config.with_role(Role.PEER_REVIEWER)[0]
            for c in self._config.agents:
                if c.role is not Role.PEER_REVIEWER:
                    made = self._made(c, Role.PEER_REVIEWER, first.system, first.sampling)
                    judges |= {agent.name: agent for agent in made}
        return judges

    @property
    def model_seconds(self) -> float:
        """Seconds inside generate calls of in-process models."""
        return self._engines.seconds

    async def aclose(self) -> None:
        """Close the connections to model servers."""
        await self._connections.aclose()

    async def __aenter__(self) -> Team:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _made(
        self,
        c: AgentConfig,
        role: Role,
        system: str,
        sampling: SamplingConfig,
        tools: Sequence[Any] = (),
    ) -> list[BackendAgent]:
        backend, facts = self._backend(c.backend, sampling)
        return [
            BackendAgent(
                name=name,
                role=role,
                system=system,
                samples=c.samples,
                backend=backend,
                tools=tuple(tools),
                **facts,
            )
            for name in c.members
        ]

    def _backend(self, name: str, sampling: SamplingConfig) -> tuple[Any, dict[str, Any]]:
        """Return the CAMEL backend of the declared name, and what an agent on it says of itself."""
        config = self._config.backends[name]
        match config:
            case TransformersBackendConfig():
                from camelx.agents.transformers_backend import TransformersBackend

                policy = policy_for(config, self._policy)
                backend = TransformersBackend(self._engines.get(config, policy), sampling, policy.label)
                return backend, _facts(policy.label, policy.adapter_version)
            case OpenAIBackendConfig():
                if name not in self._clients:
                    self._clients[name] = openai_client(config, concurrency=self._concurrency)
                    self._connections.push_async_callback(self._clients[name].close)
                backend = openai_backend(config, sampling, self._clients[name])
                return backend, _facts(
                    config.model, None, config.retry, config.timeout_s, takes_seed=config.send_seed
                )
            case CamelBackendConfig():
                backend = camel_backend(config, sampling)
                self._connections.push_async_callback(close_camel_backend, backend)
                return backend, _facts(config.model, None, config.retry, config.timeout_s, takes_seed=False)
            case ScriptedBackendConfig():
                return ScriptedBackend(config), _facts("scripted", None)
            case _:
                assert_never(config)


def _facts(
    model: str,
    adapter_version: str | None,
    retry: RetryConfig = NO_RETRY,
    timeout_s: float | None = None,
    takes_seed: bool = True,
) -> dict[str, Any]:
    return {
        "model": model,
        "adapter_version": adapter_version,
        "retry": retry,
        "timeout_s": timeout_s,
        "takes_seed": takes_seed,
    }
