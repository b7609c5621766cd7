"""The sections of agents.yaml: who takes part, on which backends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from camelx.config.secrets import looks_like_key
from camelx.config.section import MisplacedError, Section, nearest_hint
from camelx.schemas import Role

DEMO_MODEL_DIR = Path(__file__).parent.parent / "demo_model" / "weights"
"""Directory of the model that ships with camelx, which "demo" names as a model."""


def _names_a_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name) or looks_like_key(name):
        raise MisplacedError(
            "expected the name of an environment variable, such as OPENAI_API_KEY, got something else (not "
            "repeated here, it may be the key itself); put the key into a variable and write its name here"
        )
    return name


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VariableName = Annotated[str, AfterValidator(_names_a_variable)]
"""The name of an environment variable; a secret that was pasted in its place is refused, and not repeated."""


class SamplingConfig(Section):
    """How an agent samples its answers."""

    temperature: float = Field(default=1.0, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=512, gt=0)
    """Most tokens of one answer; a longer one is cut and does not become a pair."""


class RetryConfig(Section):
    """How often a failed call to a model server is made again, with exponential backoff and jitter."""

    attempts: int = Field(default=6, ge=1)
    """Calls in all; 1 makes no second one. Timeouts, connection errors, 429 and 5xx are retried."""
    first_wait_s: float = Field(default=0.5, ge=0)
    longest_wait_s: float = Field(default=30.0, ge=0)


class PriceConfig(Section):
    """What tokens cost, per million and in any one currency.

    Mutual ranking counts it, and keeps `ranking.buying.budget.money`; for that each backend that reviews
    needs one. Without a price a call counts as free.
    """

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)


class TransformersBackendConfig(Section):
    """A transformers model in this process; concurrent requests share one generate call."""

    kind: Literal["transformers"]
    model: str = "policy"
    """"policy" is `policy.base` of the cycle config; else a directory, a hub id, or "demo"."""
    adapter: str = "champion"
    """"champion": the registry's champion at the cycle's start; "none"; or an adapter directory."""
    device: str = "auto"
    """"auto" takes a GPU where there is one; else a PyTorch device, such as "cuda:1" or "cpu"."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """"auto": bfloat16 on a GPU, float32 on a CPU."""
    max_batch: int = Field(default=128, gt=0)
    """Most requests in one generate call."""
    price: PriceConfig | None = None


class OpenAIBackendConfig(Section):
    """An OpenAI-compatible HTTP server (vLLM, SGLang, Ollama, a hosted API), through CAMEL's ModelFactory."""

    kind: Literal["openai"]
    model: str
    url: str
    """Base URL, ending in /v1."""
    api_key_env: VariableName | None = None
    """Environment variable that holds the key; None: the server needs none."""
    send_seed: bool = True
    """False: leave `seed` out of the requests, for servers that refuse fields they don't know."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds for one call."""
    retry: RetryConfig = RetryConfig()
    price: PriceConfig | None = None


class CamelBackendConfig(Section):
    """Whatever else CAMEL's ModelFactory makes, by its own platform and model names."""

    kind: Literal["camel"]
    platform: str
    """A value of camel.types.ModelPlatformType, such as "anthropic" or "ollama"."""
    model: str
    url: str | None = None
    api_key_env: VariableName | None = None
    timeout_s: float = Field(default=120.0, gt=0)
    retry: RetryConfig = RetryConfig()
    price: PriceConfig | None = None


class ScriptedBackendConfig(Section):
    """Given replies, for tests of a user's own pipeline: no model at all."""

    kind: Literal["scripted"]
    path: Path | None = None
    """JSONL file of {"match": <regular expression on the last user message>, "reply": <text>}; the first
    match answers. A relative path starts at agents.yaml."""
    replies: tuple[str, ...] = ()
    """Without `path`: these replies, chosen by the request's seed."""
    piece_s: float = Field(default=0.0, ge=0, le=10)
    """Seconds between two words where somebody listens, as in a live session: as slow as a real model."""
    price: PriceConfig | None = None


BackendConfig = Annotated[
    TransformersBackendConfig | OpenAIBackendConfig | CamelBackendConfig | ScriptedBackendConfig,
    Field(discriminator="kind"),
]


class AgentConfig(Section):
    """One kind of agent, of which `count` take part under the names name-1, name-2, ..."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    role: Role
    backend: str
    """A key of `backends`."""
    system: str
    """The system message. Agents of one role need the same one for their answers to be comparable."""
    count: int = Field(default=1, ge=1)
    samples: int = Field(default=1, ge=1)
    """Answers per prompt: proposals per goal, executions per proposal. Reviewers ignore it."""
    sampling: SamplingConfig = SamplingConfig()
    tools: tuple[str, ...] = ()
    """What the model may call: names of CAMEL toolkits, such as MathToolkit, and functions of your own, as
    "package.module:function". Backends `openai` and `camel` only."""

    @property
    def members(self) -> list[str]:
        """The names under which its `count` agents take part."""
        return [self.name] if self.count == 1 else [f"{self.name}-{i}" for i in range(1, self.count + 1)]


class AgentsConfig(Section):
    """agents.yaml: who takes part, and the backends they run on."""

    backends: dict[str, BackendConfig]
    agents: tuple[AgentConfig, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_complete(self) -> AgentsConfig:
        if wrong := list(self._wrong_backends()):
            raise MisplacedError(str(wrong[0]), *wrong[0].place, others=wrong[1:])
        names = [name for agent in self.agents for name in agent.members]
        if len(set(names)) < len(names):
            raise ValueError(f"agent names must differ, got {', '.join(names)}")
        for role in (Role.EXECUTOR, Role.PEER_REVIEWER):
            if not self.with_role(role):
                raise ValueError(f"no agent has the role {role}: a cycle needs at least one")
        return self

    def _wrong_backends(self) -> Iterator[MisplacedError]:
        """Yield what is wrong between agents and backends."""
        for i, agent in enumerate(self.agents):
            if agent.backend not in self.backends:
                yield MisplacedError(
                    f"agent {agent.name!r} names backend {agent.backend!r}; declared are "
                    f"{', '.join(sorted(self.backends))}{nearest_hint(agent.backend, self.backends)}",
                    *("agents", i, "backend"),
                )
            elif agent.tools and (kind := self.backends[agent.backend].kind) not in ("openai", "camel"):
                yield MisplacedError(
                    f"agent {agent.name!r} has tools, but its backend {agent.backend!r} is of kind {kind}, "
                    "which calls none; drop them, or serve the model and use kind openai or camel",
                    *("agents", i, "tools"),
                )

    def with_role(self, role: Role) -> tuple[AgentConfig, ...]:
        """Return the agents of one role."""
        return tuple(agent for agent in self.agents if agent.role == role)
