"""What differs between two texts, as a unified diff."""

from __future__ import annotations

import difflib


def unified_diff(before: str, after: str, before_name: str, after_name: str) -> str:
    """Return the diff, each line ended; empty where the texts are equal."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), before_name, after_name, lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)
