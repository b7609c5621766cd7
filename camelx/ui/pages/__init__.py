"""The pages; `PAGES` lists them in the order of the navigation, the first at the root."""

from __future__ import annotations

from camelx.ui.pages import cycles, home
from camelx.ui.pages.page import Page

PAGES: tuple[Page, ...] = (
    Page("Home", "/", home.build),
    Page("Cycles", "/cycles", cycles.build),
)

__all__ = ["PAGES", "Page"]
