"""Live sessions: a person and agents in one conversation, each session in a thread of its own.

In: what people send. Out: events, numbered and stored, and answers while they are made. The agents live as
long as the session does; what they said is logged as interactions, what the person picked or wrote better as
annotations, from where the next cycle of the same policy takes its pairs. Called by the server and the page;
knows no HTTP and no Gradio.
"""

from camelx.sessions.inputs import (
    ALLOWED,
    WAITS_FOR,
    Approve,
    Edit,
    Input,
    Interject,
    Pick,
    Redirect,
    Say,
    Stop,
)
from camelx.sessions.open_session import Shown, Watcher
from camelx.sessions.registry import STOPPED, SessionRegistry, SessionRequest

__all__ = [
    "ALLOWED",
    "STOPPED",
    "WAITS_FOR",
    "Approve",
    "Edit",
    "Input",
    "Interject",
    "Pick",
    "Redirect",
    "Say",
    "SessionRegistry",
    "SessionRequest",
    "Shown",
    "Stop",
    "Watcher",
]
