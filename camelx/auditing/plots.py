"""The plots of the report, as SVG that lies in the page and takes its colours, light or dark, from there.

Importing this module imports matplotlib, so only writing a report does. No display and no pyplot: a figure is
drawn straight to SVG. Names come from outside: they are shortened, and never read as mathematics.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from camelx.auditing.records import Agreement, Curve, Figure
from camelx.pages import Markup, escaped
from camelx.schemas import CONTROL_CHARACTERS

_WIDTH = 3.6  # inches; 13 px text on a phone, 14 px on a desk
_LABEL_CHARS = 16
_MOST_TICKS = 8

_INK = {"text": "#01fe01", "line": "#01fe02", "back": "#01fe03", "bad": "#01fe04"}
_SERIES = tuple(f"#02fe0{k}" for k in range(1, 9))
_MARKERS = "osD^vPX*"
_COLOURS = {sentinel: f"var(--{name})" for name, sentinel in _INK.items()} | {
    sentinel: f"var(--s{k})" for k, sentinel in enumerate(_SERIES, 1)
}
"""matplotlib draws in colours that nothing else has; in the SVG they become the page's."""

STYLE = """
:root { --s1: #0b62b0; --s2: #b3540b; --s3: #0a7a55; --s4: #8a3fa0; --s5: #a8263b; --s6: #5c6b00;
  --s7: #00737d; --s8: #6b5846; }
@media (prefers-color-scheme: dark) { :root { --s1: #6db3ff; --s2: #ffab66; --s3: #5fd2a4; --s4: #d29bea;
  --s5: #ff8b9a; --s6: #c3d24f; --s7: #5fd0dc; --s8: #cdb39a; } }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: 0; max-width: 27rem; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; font-family: system-ui, sans-serif; stroke-linejoin: round; }
"""

_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK["line"],
    "axes.labelcolor": _INK["text"],
    "axes.axisbelow": True,
    "text.color": _INK["text"],
    "xtick.color": _INK["line"],
    "ytick.color": _INK["line"],
    "xtick.labelcolor": _INK["text"],
    "ytick.labelcolor": _INK["text"],
    "grid.color": _INK["line"],
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.markersize": 4.5,
}


@dataclass(frozen=True)
class Series:
    """One figure of each row, under one name."""

    name: str
    figures: Sequence[Figure]


def interval_plot(
    caption: str,
    rows: Sequence[str],
    series: Sequence[Series],
    *,
    neutral: float | None = None,
    span: tuple[float, float] = (0.0, 1.0),
) -> Markup:
    """Return points with their intervals, a row for each name.

    Args:
        caption: Above the plot.
        rows: Names of the rows.
        series: With as many figures as there are rows; those that are not measurable leave a gap.
        neutral: Where a dashed line says "no bias"; None: nowhere.
        span: Of the axis.
    """

    def draw(axes: Axes) -> None:
        for k, one in enumerate(series):
            shift = 0.4 * (k - (len(series) - 1) / 2)
            for row, figure in enumerate(one.figures):
                _point(axes, figure, row + shift, k)
        if neutral is not None:
            axes.axvline(neutral, color=_INK["text"], linestyle=(0, (3, 3)), linewidth=0.8)
        axes.set(xlim=span, ylim=(len(rows) - 0.4, -0.6))
        ticks = [span[0] + k * (span[1] - span[0]) / 4 for k in range(5)]
        names = [f"{tick:g}" if span[0] < 0 else f"{100 * tick:g} %" for tick in ticks]
        # Long names leave room for every other tick.
        axes.set_xticks(ticks, [name if k % 2 == 0 else "" for k, name in enumerate(names)])
        axes.set_yticks(range(len(rows)), [shortened(name) for name in rows])
        axes.grid(axis="x")
        if len(series) > 1:
            _legend(axes, [(one.name, k) for k, one in enumerate(series)])

    height = 0.5 + (0.3 if len(series) > 1 else 0.0) + (0.18 + 0.14 * len(series)) * max(1, len(rows))
    return _figure(caption, draw, height)


def agreement_plot(caption: str, names: Sequence[str], agreement: Sequence[Agreement]) -> Markup:
    """Return the matrix of kappas, the stronger the colour the further from chance."""
    place = {name: k for k, name in enumerate(names)}

    def draw(axes: Axes) -> None:
        for cell in agreement:
            _cell(axes, place[cell.one], place[cell.other], cell.kappa)
            _cell(axes, place[cell.other], place[cell.one], cell.kappa)
        n = len(names)
        axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(n), [str(k + 1) for k in range(n)])
        axes.set_yticks(range(n), [f"{shortened(name)}  {k + 1}" for k, name in enumerate(names)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return _figure(caption, draw, 0.5 + min(2.6, 0.45 * len(names)))


def lines_plot(
    caption: str,
    steps: Sequence[str],
    lines: Mapping[str, Sequence[Figure]],
    *,
    span: tuple[float, float] | None = None,
) -> Markup:
    """Return one line per name over the steps; a figure that is not measurable breaks its line.

    Args:
        caption: Above the plot.
        steps: Names of the steps, such as cycles.
        lines: Figures per step, by name.
        span: Of the upright axis; None: what there is, and 0.
    """

    bounds = [b for figures in lines.values() for f in figures for b in (f.value, f.low) if b is not None]

    def draw(axes: Axes) -> None:
        for k, figures in enumerate(lines.values()):
            places = [x + 0.03 * (k - (len(lines) - 1) / 2) for x in range(len(steps))]
            ink: dict[str, Any] = {"color": _colour(k), "clip_on": False}
            axes.plot(places, [_measured(f.value) for f in figures], marker=_marker(k), linewidth=1.3, **ink)
            for x, f in zip(places, figures, strict=True):
                if f.low is not None and f.high is not None:
                    axes.plot([x, x], [f.low, f.high], alpha=0.35, linewidth=2.5, **ink)
        every = -(-len(steps) // _MOST_TICKS)
        shown = range((len(steps) - 1) % every, len(steps), every)
        axes.set_xticks(shown, [shortened(steps[k], 8) for k in shown])
        axes.set_xlim(-0.3, len(steps) - 0.7)
        if span:
            axes.set_ylim(span)
        else:
            axes.margins(y=0.12)
            axes.axhline(0, color=_INK["line"], linewidth=0.8)
            if min(bounds, default=0.0) >= 0:
                axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        if len(lines) > 1:
            _legend(axes, [(shortened(name), k) for k, name in enumerate(lines)])

    return _figure(caption, draw, 2.1 + 0.2 * (-(-len(lines) // 2) if len(lines) > 1 else 0))


def calibration_plot(caption: str, curve: Curve, low: float) -> Markup:
    """Return stated probabilities against the share that people bore out, with the number of labels."""

    def draw(axes: Axes) -> None:
        axes.plot([low, 1], [low, 1], color=_INK["text"], linestyle=(0, (3, 3)), linewidth=0.8)
        for found in curve.bins:
            bounds = [_measured(found.met.low), _measured(found.met.high)]
            axes.plot([found.stated] * 2, bounds, color=_SERIES[0], alpha=0.45, linewidth=2.5)
            axes.text(found.stated, 0.015, str(found.met.n), ha="center", va="bottom", fontsize=7)
        met = [_measured(found.met.value) for found in curve.bins]
        axes.plot([found.stated for found in curve.bins], met, color=_SERIES[0], marker="o")
        axes.set(xlim=(low - 0.03, 1.03), ylim=(0, 1.03), xlabel="stated", ylabel="borne out by people")
        axes.grid()

    return _figure(caption, draw, 2.6)


def shortened(name: str, most: int = _LABEL_CHARS) -> str:
    """Return the name on one line, without characters that draw nothing, and not longer than `most`."""
    line = " ".join(CONTROL_CHARACTERS.sub("\ufffd", name).split()) or "\ufffd"
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _measured(value: float | None) -> float:
    """Return the value; a gap in the drawing where there is none."""
    return math.nan if value is None else value


def _point(axes: Axes, figure: Figure, y: float, k: int) -> None:
    if figure.value is None:
        place = axes.get_yaxis_transform()
        axes.text(0.0, y, " not measurable", va="center", fontsize=7.5, transform=place)
        return
    if figure.low is not None and figure.high is not None:
        axes.plot([figure.low, figure.high], [y, y], color=_colour(k), linewidth=1.6)
    axes.plot(
        [figure.value], [y], color=_colour(k), marker=_marker(k), linestyle="none", clip_on=False, zorder=4
    )


def _cell(axes: Axes, row: int, column: int, kappa: Figure) -> None:
    from matplotlib.patches import Rectangle

    if kappa.value is None:
        axes.text(column, row, "–", ha="center", va="center")
        return
    colour = _SERIES[0] if kappa.value >= 0 else _INK["bad"]
    corner = (column - 0.48, row - 0.48)
    axes.add_patch(Rectangle(corner, 0.96, 0.96, color=colour, alpha=0.6 * abs(kappa.value), linewidth=0))
    axes.text(column, row, f"{kappa.value:.2f}", ha="center", va="center", fontsize=8)


def _legend(axes: Axes, names: Sequence[tuple[str, int]]) -> None:
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=_colour(k), marker=_marker(k), linestyle="none", label=name) for name, k in names
    ]
    axes.figure.legend(handles=keys, loc="outside lower left", ncols=2, handletextpad=0.2, columnspacing=1.2)


def _colour(k: int) -> str:
    return _SERIES[k % len(_SERIES)]


def _marker(k: int) -> str:
    return _MARKERS[k // len(_SERIES) % len(_MARKERS)] if k >= len(_SERIES) else _MARKERS[k]


def _figure(caption: str, draw: Callable[[Axes], None], height: float) -> Markup:
    """Return the plot under its caption; a reader's own matplotlibrc has no say."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Glyphs are the browser's; that the font used to measure them lacks some does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS | {"svg.hashsalt": caption})
        drawing = Drawing(figsize=(_WIDTH, height), layout="constrained")
        draw(drawing.add_subplot())
        written = io.StringIO()
        drawing.savefig(
            written,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    return Markup(
        f"<figure><figcaption>{escaped(caption)}</figcaption>{_inlined(written.getvalue(), caption)}</figure>"
    )


def _inlined(svg: str, caption: str) -> str:
    """Return the SVG as it may stand in a page: no prolog, no rules for the page, ids of its own."""
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([\d. ]+)"', body)
    assert box is not None
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;\"]*;?", "", body)
    own = re.sub(r"\W+", "-", caption)
    body = re.sub(r' id="(?!m[0-9a-f]{10}"|p[0-9a-f]{10}")[^"]*"', "", body)
    body = re.sub(r'( id="|xlink:href="#|url\(#)(?=[mp][0-9a-f]{10})', rf"\g<1>{own}-", body)
    for sentinel, colour in _COLOURS.items():
        body = body.replace(sentinel, colour)
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{escaped(caption)}">{body}'
