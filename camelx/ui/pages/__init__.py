"""The pages; `PAGES` lists them in the order of the navigation, the first at the root."""

from __future__ import annotations

from camelx.ui.pages import home
from camelx.ui.pages.page import Page

PAGES: tuple[Page, ...] = (Page("Home", "/", home.build),)

__all__ = ["PAGES", "Page"]
