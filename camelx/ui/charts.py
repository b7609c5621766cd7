"""Curves as inline SVG: no script, no font, in the colours of the page, light and dark.

In: numbers in order. Out: markup for a page, with its axis in words for those who don't see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from camelx.pages import Markup, escaped, tag

_WIDTH, _HEIGHT, _PAD = 320, 120, 6
_MOST_POINTS = 400


def line_chart(title: str, points: Sequence[tuple[float, float]]) -> Markup:
    """Return a curve with its title, its range, and its first and last value.

    Args:
        title: What is drawn.
        points: (x, y), by x; a y that is not finite leaves a gap.
    """
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    if not finite:
        return Markup("")
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    first, last = finite[0][1], finite[-1][1]
    said = f"{title}: from {first:.3f} to {last:.3f}, between {low:.3f} and {high:.3f}, {len(finite):,} steps"
    line = _thinned(finite) if len(finite) > 1 else [*finite, (finite[0][0] + 1, first)]  # a dot is not seen
    drawn = f'<polyline points="{_path(line, low, high)}"/>'
    svg = Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escaped(said)}">{drawn}</svg>'
    )
    ends = tag("div", *(tag("span", f"{round(y, 3) + 0.0:.3f}") for y in (first, last)), css="cx-ends")
    return tag("div", tag("div", tag("b", title), css="cx-chart-title"), svg, ends, css="cx-chart")


def _path(points: Sequence[tuple[float, float]], low: float, high: float) -> str:
    x0, x1 = points[0][0], points[-1][0]
    across, up = (_WIDTH - 2 * _PAD) / ((x1 - x0) or 1), (_HEIGHT - 2 * _PAD) / ((high - low) or 1)
    return " ".join(
        f"{_PAD + (x - x0) * across:.1f},{_HEIGHT - _PAD - (y - low) * up:.1f}" for x, y in points
    )


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return at most `_MOST_POINTS` of the points, the last among them."""
    step = math.ceil(len(points) / _MOST_POINTS)
    return [*points[::step], points[-1]] if step > 1 else points
