"""The pages; `PAGES` lists them in the order of the navigation, the first at the root."""

from __future__ import annotations

from camelx.ui.pages import agents, agreement, annotate, chat, cycles, interactions, models
from camelx.ui.pages.page import Page

PAGES: tuple[Page, ...] = (
    Page("Annotate", "/", annotate.build),
    Page("Agreement", "/agreement", agreement.build),
    Page("Cycles", "/cycles", cycles.build),
    Page("Interactions", "/interactions", interactions.build),
    Page("Agents", "/agents", agents.build),
    Page("Models", "/models", models.build),
    Page("Chat", "/chat", chat.build),
)

__all__ = ["PAGES", "Page"]
