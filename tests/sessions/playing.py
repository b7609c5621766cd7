"""A folder with agents whose replies are scripted, and what tests of live sessions do with them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from camelx.config import Settings
from camelx.schemas import AccessRole, Principal, SessionView
from camelx.sessions import Input, SessionRegistry

ANN = Principal(name="ann", role=AccessRole.ANNOTATOR, via="session")
BOB = Principal(name="bob", role=AccessRole.ANNOTATOR, via="session")
ADMIN = Principal(name="root", role=AccessRole.ADMIN, via="session")
RULES = (
    {"match": "another way", "reply": "Plan 2: count on fingers."},
    {"match": "There is no second result", "reply": "The result is right; say why."},
    {"match": "Proposal: ", "reply": "Carried out: the answer is 4."},
    {"match": "in French", "reply": "La réponse est quatre."},
    {"match": "^Goal: ", "reply": "Plan 1: add them one by one, slowly and with care."},
    {"match": ".", "reply": "Understood."},
)
PATIENCE_S = 30.0


def write_configs(root: Path, *, piece_s: float = 0.0, **more: Any) -> Settings:
    """Write configs/ with scripted agents, and return the settings of the folder."""
    folder = root / "configs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.jsonl").write_text("\n".join(map(json.dumps, RULES)))
    backends: dict[str, Any] = {
        "scripted": {"kind": "scripted", "path": "script.jsonl", "piece_s": piece_s},
        "other": {"kind": "scripted", "replies": ["Other: it is 4."], "piece_s": piece_s},
        **more,
    }
    agents = [
        ("proposer", "proposer", "scripted"),
        ("executor", "executor", "scripted"),
        ("second", "executor", "other"),
        ("reviewer", "peer_reviewer", "scripted"),
    ]
    rows = [{"name": n, "role": r, "backend": b, "system": f"You are the {r}."} for n, r, b in agents]
    (folder / "agents.yaml").write_text(json.dumps({"backends": backends, "agents": rows}))
    (folder / "cycle.yaml").write_text(json.dumps({"agents": "agents.yaml"}))
    return Settings(root=root, project=root)


def wait_for(sessions: SessionRegistry, session_id: str, *phases: str, who: Principal = ANN) -> SessionView:
    """Return the session once it waits for one of these; "busy" only where it is named."""
    until = time.monotonic() + PATIENCE_S
    while (view := sessions.view(who, session_id)).session.phase not in phases:
        assert time.monotonic() < until, (view.session.phase, [e.text for e in view.events])
        time.sleep(0.01)
    return view


def hear(sessions: SessionRegistry, session_id: str, text: str, *, who: Principal = ANN) -> SessionView:
    """Return the session once somebody has begun to say something with this text in it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        view = sessions.view(who, session_id)
        if any(text in said for said in view.under_way.values()):
            return view
        assert time.monotonic() < until, (view.under_way, [e.text for e in view.events])
        time.sleep(0.005)


def say(sessions: SessionRegistry, session_id: str, sent: Input, *phases: str) -> SessionView:
    """Send, and return the session once it waits for one of these."""
    sessions.send(ANN, session_id, sent)
    return wait_for(sessions, session_id, *(phases or ("listening",)))


def kinds(view: SessionView) -> list[str]:
    """Return the kinds of what happened."""
    return [event.kind for event in view.events]
