"""Who asks, and what they may do: users, passwords, sessions, tokens, the audit trail.

In: names, passwords, tokens. Out: a `Principal`, or an `AccessError`. Called by every route, page and
handler; knows no HTTP and no Gradio.
"""

from camelx.access.access import LOCAL, Access, allow

__all__ = ["LOCAL", "Access", "allow"]
