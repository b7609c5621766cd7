"""Who takes part in a live session: from a config and what a person wishes to agents that can be asked.

A version is written "name/3", "base", or as an agent's name where that agent's backend is not the policy's:
a server answers with what it has loaded. "champion" and "challenger" are resolved when a session begins, so
that a promotion in between changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from camelx.agents import LiveAgent, SharedEngines, open_team
from camelx.agents.chat import BackendAgent
from camelx.config import (
    AgentConfig,
    RunConfig,
    Settings,
    TransformersBackendConfig,
    load_config,
    parse_config,
)
from camelx.cycles.policies import policy_of
from camelx.errors import ConfigError
from camelx.registry import Registry
from camelx.schemas import AdapterVersion, LiveSession, Message, Role, SessionMode
from camelx.sessions.participants import Participant
from camelx.storage import Store

BASE = "base"
PROPOSER, EXECUTOR, REVIEWER = "proposer", "executor", "reviewer"
SIDES = ("side-1", "side-2")
"""Places of the two that answer the same messages; which of them is shown as A is drawn for each message."""


def session_config(settings: Settings, store: Store) -> RunConfig:
    """Return the config that new sessions take their agents from: configs/cycle.yaml, else the last cycle's.

    Raises:
        ConfigError: There is neither.
    """
    path = settings.configs_dir / "cycle.yaml"
    if path.is_file():
        return load_config(path)
    latest = store.latest_cycle()
    if latest is None:
        raise ConfigError(
            f"a live session takes its agents from {path}, which is not there, or from the latest cycle, and "
            "there is none; run camelx where configs/ lies, or set CAMELX_PROJECT"
        )
    return parse_config(latest.config)


@dataclass
class Casting:
    """Resolves versions, and makes participants of them.

    The registry is asked for versions at the first use; that takes some seconds with a new database.
    """

    config: RunConfig
    settings: Settings
    _versions: list[AdapterVersion] | None = field(default=None, repr=False)

    @property
    def registry(self) -> Registry:
        """Where versions are registered."""
        return Registry(self.settings.resolved_mlflow_uri, self.settings.mlruns_dir / "artifacts")

    def choices(self) -> list[str]:
        """Return what may answer: versions of the policy, the newest first, and the executors."""
        if not self._takes_versions:
            return self._servers
        return [*(v.label for v in reversed(self._known())), BASE, *self._servers]

    def resolved(self, mode: SessionMode, wishes: Sequence[str]) -> tuple[str, ...]:
        """Return who answers: one, or in mode ab two; what is not wished for is chosen.

        Raises:
            ConfigError: There is no such version or agent, the mode needs an agent that is not there, or
                another number of versions.
        """
        if mode == "team" and not self.config.agents.with_role(Role.PROPOSER):
            raise ConfigError("agents.yaml has no agent of role proposer: begin a session in mode talk or ab")
        wanted = len(SIDES) if mode == "ab" else 1
        if len(wishes) not in (0, wanted):
            raise ConfigError(f"mode {mode} takes {wanted} versions, got {len(wishes)}: {', '.join(wishes)}")
        if wishes:
            return tuple(self._resolved(wish) for wish in wishes)
        champion = self._resolved("champion")
        if mode != "ab":
            return (champion,)
        challenger = self._alias("challenger")
        other = challenger if challenger and challenger != champion else None
        return (champion, other or (BASE if self._takes_versions else self._servers[-1]))

    def _resolved(self, wish: str) -> str:
        if wish in self._servers:
            return wish
        if not self._takes_versions:
            if wish == "champion":
                return self._servers[0]
            raise ConfigError(
                f"there is no agent {wish!r}; the executor's backend answers with what its server has loaded"
                f", so name agents of role executor: {', '.join(self._servers)}"
            )
        if wish == BASE:
            return BASE
        if wish == "champion":
            return self._alias("champion") or BASE
        if wish == "challenger" and (label := self._alias("challenger")):
            return label
        known = {v.label for v in self._known()}
        label = f"{self.config.policy.name}/{wish}" if wish.isdigit() else wish
        if label not in known:
            raise ConfigError(f"there is no version {wish!r}; there are {', '.join(self.choices())}")
        return label

    def _alias(self, alias: str) -> str | None:
        if not self._takes_versions:
            return None
        return next((v.label for v in self._known() if alias in v.aliases), None)

    def _known(self) -> list[AdapterVersion]:
        if self._versions is None:
            name, base = self.config.policy.name, self.config.policy.base
            self._versions = [v for v in self.registry.versions(name) if v.base == base]
        return self._versions

    @property
    def _servers(self) -> list[str]:
        """Names of the executors that answer with what their server has loaded."""
        executors = self.config.agents.with_role(Role.EXECUTOR)
        return [name for c in executors if not self._is_policy(c) for name in c.members]

    @property
    def _takes_versions(self) -> bool:
        """Whether the first Executor runs on whichever version it is given."""
        return self._is_policy(self.config.agents.with_role(Role.EXECUTOR)[0])

    def _is_policy(self, agent: AgentConfig) -> bool:
        """Whether the agent runs on whichever version of the policy it is given."""
        backend = self.config.agents.backends[agent.backend]
        return isinstance(backend, TransformersBackendConfig) and backend.adapter == "champion"

    # --- from versions to participants

    async def cast(
        self,
        session: LiveSession,
        memories: dict[str, list[Message]],
        engines: SharedEngines,
        open_until: AsyncExitStack,
    ) -> dict[str, Participant]:
        """Return the participants by their place, each with what it remembered.

        Args:
            session: Names versions and mode.
            memories: Turns of earlier, by place.
            engines: Where models are loaded.
            open_until: Closes their connections.

        Raises:
            ConfigError: A key's variable is not set, or a model's directory is gone.
            AgentError: A model can't be loaded.
            RegistryError: A version is gone.
        """
        places: dict[str, tuple[Role, str]] = {}
        if session.mode == "ab":
            places = {side: (Role.EXECUTOR, v) for side, v in zip(SIDES, session.versions, strict=True)}
        else:
            version = session.versions[0]
            places[EXECUTOR] = (Role.EXECUTOR, version)
            if session.mode == "team":
                places[PROPOSER] = (Role.PROPOSER, version)
        if session.has_review:
            places[REVIEWER] = (Role.PEER_REVIEWER, session.versions[0])
        cast: dict[str, Participant] = {}
        for place, (role, version) in places.items():
            agent = await self._backend_agent(role, version, engines, open_until)
            participant = self._participant(session, agent, memories.get(place, []))
            open_until.push_async_callback(participant.aclose)
            cast[place] = participant
        return cast

    async def _backend_agent(
        self, role: Role, version: str, engines: SharedEngines, open_until: AsyncExitStack
    ) -> BackendAgent:
        names = [name for c in self.config.agents.with_role(role) for name in c.members]
        policy = policy_of(self.config, self._registered(version))
        team = open_team(self.config.agents, policy, concurrency=4, roles={role}, engines=engines)
        await open_until.enter_async_context(team)
        members = team.agents(role)
        return members[names.index(version) if version in names else 0]

    def _registered(self, version: str) -> AdapterVersion | None:
        """Return the version of that label; beside an agent on a server the champion takes part."""
        name = self.config.policy.name
        if version == BASE:
            return None
        if version.startswith(f"{name}/"):
            return self.registry.version(name, int(version.removeprefix(f"{name}/")))
        return self.registry.champion(name)

    def _participant(
        self, session: LiveSession, agent: BackendAgent, history: Sequence[Message]
    ) -> Participant:
        if session.backend == "langroid":
            from camelx.sessions.langroid_backend import LangroidParticipant

            return LangroidParticipant.on(agent, history)
        return LiveAgent(agent, history)


def label_of(participant: Participant) -> str:
    """Return who answered, as a person is told once they may know."""
    return participant.adapter_version or f"{participant.model} ({BASE})"
