"""The pages people use, in Gradio: no SQL and no model in a page.

A page's handlers check who asks (`guard`), call a room below, and show what it returned, escaped. `PAGES` in
`camelx.ui.pages` lists them. Mounted by `camelx.server`.
"""

from camelx.ui.app import Who, mount_pages

__all__ = ["Who", "mount_pages"]
