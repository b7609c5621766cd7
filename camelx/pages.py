"""Pages that open in any browser without a network: one look, and every text escaped.

Rooms that write a report build its body of these pieces. Light and dark follow the reader's system, wide
tables scroll on a phone.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from camelx.schemas import CONTROL_CHARACTERS


class Markup(str):
    """HTML that is safe already; every other string is escaped."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Return the text for a page, with characters that hide or turn what stands beside them made visible."""
    return text if isinstance(text, Markup) else Markup(html.escape(CONTROL_CHARACTERS.sub("\ufffd", text)))


def tag(name: str, *content: str, css: str = "") -> Markup:
    """Return an element; content that is no `Markup` is escaped."""
    attribute = f' class="{html.escape(css)}"' if css else ""
    return Markup(f"<{name}{attribute}>{''.join(map(escaped, content))}</{name}>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Return a table; with a head, a narrow screen shows each row as a block that names its columns."""
    if not head:
        return tag("table", tag("tbody", *(tag("tr", *(tag("td", c) for c in cells)) for cells in rows)))
    top = tag("thead", tag("tr", *(tag("th", name) for name in head)))
    body = Markup("\n".join(labelled_row(head, cells) for cells in rows))
    return tag("table", top, tag("tbody", body), css="blocks")


def page(title: str, body: str, style: str = "") -> str:
    """Return the whole document.

    Args:
        title: Of the browser's tab.
        body: Markup.
        style: Further CSS; its colours are `var(--text)`, `--back`, `--line`, `--soft`, `--good`, `--bad` and
            `--warn`.
    """
    return _PAGE.format(title=escaped(title), style=_STYLE + style, body=body)


def labelled_row(head: Sequence[str], cells: Sequence[str], css: str = "") -> Markup:
    """Return a row whose cells know the name of their column, which a narrow screen shows beside them."""
    return tag(
        "tr",
        *(
            Markup(f'<td data-label="{escaped(name)}">{tag("span", cell)}</td>')
            for name, cell in zip(head, cells, strict=True)
        ),
        css=css,
    )


_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c1e21; --line: #d5d9de; --soft: #f4f5f7;
  --good: #0a6b2d; --bad: #b3130d; --warn: #8a5300; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e6e8ea; --line: #3a4047;
  --soft: #1d2226; --good: #5fd287; --bad: #ff8b80; --warn: #f0b35a; } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 span { font-weight: 700; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { white-space: nowrap; }
thead { background: var(--soft); }
.passed { color: var(--good); } .failed { color: var(--bad); font-weight: 700; }
.warning { color: var(--warn); font-weight: 700; }
.blocks td:first-child { min-width: 7rem; }
.state { white-space: nowrap; }
code { background: var(--soft); padding: .1rem .3rem; }
details > summary { cursor: pointer; }
@media (max-width: 40rem) {
  .blocks, .blocks tbody, .blocks tr { display: block; } .blocks thead { display: none; }
  .blocks tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .blocks td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0; }
  .blocks td::before { content: attr(data-label); flex: 0 0 35%; opacity: .75; }
  .blocks td span { text-align: right; }
  .blocks td:first-child { font-weight: 600; } .blocks td:first-child span { text-align: left; }
  .blocks td:first-child::before { content: none; }
}
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
