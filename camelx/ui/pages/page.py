"""What a page is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from camelx.workspace import Workspace


@dataclass(frozen=True)
class Page:
    """One page: its name in the navigation, where it lies, and what builds it inside a Gradio context."""

    title: str
    path: str
    build: Callable[[Workspace], None]
