"""The pieces that the sections of the page are made of, and how a figure reads in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from camelx.auditing.plots import Series
from camelx.auditing.records import Figure
from camelx.pages import Markup, tag


def said(figure: Figure, kind: str = "share", unit: str = "") -> str:
    """Return the figure in words: "62 % (51 to 72), n 80", or why there is none.

    Args:
        figure: What to say.
        kind: "share" in per cent, "points" of a hundred with a sign, "kappa", "error" or "number".
        unit: Of what n counts, such as "pairs".
    """
    if figure.value is None:
        return f"not measurable: {figure.reason}"
    write = _WRITERS[kind]
    text = write(figure.value) + ("\u00a0%" if kind == "share" else "")
    if figure.low is not None and figure.high is not None:
        text += f" ({write(figure.low)} to {write(figure.high)})"
    return text + (f", n\u00a0{figure.n:,}" + (f"\u00a0{unit}" if unit else "") if figure.n else "")


_WRITERS: dict[str, Callable[[float], str]] = {
    "share": lambda value: f"{100 * value:.0f}",
    "points": lambda value: f"{round(100 * value):+d}".replace("-", "−"),
    "kappa": lambda value: f"{round(value, 2) + 0.0:.2f}".replace("-", "−"),
    "error": lambda value: f"{value:.3f}",
    "number": lambda value: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}",
}


def section(title: str, how_to_read: str, plots: Iterable[Markup], *rest: Markup) -> Markup:
    """Return a section: heading, one paragraph on how to read it, plots beside each other, the rest."""
    shown = [plot for plot in plots if plot]
    beside = tag("div", *shown, css="plots") if shown else Markup()
    return tag("section", tag("h2", title), tag("p", how_to_read), beside, *rest)


def listed(title: str, lines: Sequence[str]) -> Markup:
    """Return a section that is a list; nothing where there are no lines."""
    if not lines:
        return Markup()
    return tag("section", tag("h2", title), tag("ul", *(tag("li", line) for line in lines)))


def folded(summary: str, content: Markup) -> Markup:
    """Return the content behind its summary."""
    return tag("details", tag("summary", summary), content)


def plotted(series: Sequence[Series], plot: Callable[[], Markup]) -> Markup:
    """Return the plot, or nothing where no figure in it is measurable: the table says why."""
    return plot() if any(f.value is not None for one in series for f in one.figures) else Markup()
