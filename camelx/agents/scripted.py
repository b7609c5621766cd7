"""A backend without a model: replies from a file or a list, for tests of a user's own pipeline."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camel.types import ChatCompletion

from camelx.agents.chat import request_seed
from camelx.agents.completions import OwnBackend, TokenCounter, as_messages, completion, estimated_tokens
from camelx.agents.streaming import listening, pieces
from camelx.config import ScriptedBackendConfig
from camelx.errors import AgentError, ConfigError
from camelx.schemas import Message


@dataclass(frozen=True)
class Rule:
    """One line of a script: the first rule found in the last user message answers."""

    match: re.Pattern[str]
    reply: str


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a JSONL file of {"match": <regular expression>, "reply": <text>}.

    Raises:
        ConfigError: The file can't be read, or a line is no such rule; the message names file and line.
    """
    try:
        lines = path.read_text("utf-8").split("\n")  # splitlines would also split at U+2028 within a text
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"script {path} can't be read: {e}") from e
    return tuple(_rule(line, f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip())


def _rule(line: str, where: str) -> Rule:
    try:
        found = json.loads(line)
    except ValueError as e:
        raise ConfigError(f"{where}: not JSON: {e}") from e
    fields = set(found) if isinstance(found, dict) else None
    if fields != {"match", "reply"} or not all(isinstance(v, str) for v in found.values()):
        raise ConfigError(f'{where}: expected {{"match": text, "reply": text}}, got {line[:80]}')
    try:
        return Rule(re.compile(found["match"]), found["reply"])
    except re.error as e:
        raise ConfigError(f"{where}: match is no regular expression: {e}") from e


class ScriptedBackend(OwnBackend):
    """Replays replies: by rule, or chosen by the request's seed."""

    def __init__(self, config: ScriptedBackendConfig) -> None:
        """Read the script.

        Raises:
            ConfigError: It can't be read, or there is neither a script nor a reply.
        """
        super().__init__("scripted", TokenCounter(), token_limit=1 << 20)
        if config.path is None and not config.replies:
            raise ConfigError("a scripted backend needs a path or replies, got neither")
        self._source = str(config.path) if config.path else "replies"
        self._rules = read_rules(config.path) if config.path else ()
        self._replies, self._piece_s = config.replies, config.piece_s

    async def _arun(
        self, messages: list[Any], response_format: Any = None, tools: Any = None
    ) -> ChatCompletion:
        answer = self._run(messages)
        if (listener := listening.get()) is not None:
            for piece in pieces(answer.choices[0].message.content or ""):
                await asyncio.sleep(self._piece_s)
                listener.text(piece)
        return answer

    def _run(self, messages: list[Any], response_format: Any = None, tools: Any = None) -> ChatCompletion:
        asked = as_messages(messages)
        text = self._reply(asked)
        n_tokens = estimated_tokens([Message(role="assistant", content=text)])
        return completion("scripted", text, "stop", estimated_tokens(asked), n_tokens)

    def _reply(self, messages: Sequence[Message]) -> str:
        if not self._rules and self._replies:
            return self._replies[request_seed.get() % len(self._replies)]
        last = messages[-1].content
        for rule in self._rules:
            if rule.match.search(last):
                return rule.reply
        raise AgentError(f"no rule of {self._source} matches the message {last[:120]!r}; add one")
