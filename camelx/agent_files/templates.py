"""Workflows to begin with: whole agents files that ship with camelx, in `templates/`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from camelx.errors import NotFoundError

_FOLDER = Path(__file__).parent / "templates"


class Template(BaseModel):
    """One workflow."""

    name: str
    title: str
    about: str
    """What it is for, and what has to be filled in."""
    text: str


def templates() -> list[Template]:
    """Return all templates, by name."""
    return [_read(path) for path in sorted(_FOLDER.glob("*.yaml"))]


def template(name: str) -> Template:
    """Return one template.

    Raises:
        NotFoundError: There is none of that name.
    """
    known = {one.name: one for one in templates()}
    if name not in known:
        raise NotFoundError(f"there is no template {name!r}; there are {', '.join(known)}")
    return known[name]


def _read(path: Path) -> Template:
    """Return a template; its first comment line is its title, those that follow say what it is for."""
    text = path.read_text("utf-8")
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.removeprefix("#").strip())
    return Template(name=path.stem, title=head[0].rstrip("."), about=" ".join(head[1:]), text=text)
