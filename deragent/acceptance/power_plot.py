"""Ordered and measured power over time, as SVG: pure. No script, and no style of its own."""

import math
from collections.abc import Iterator, Sequence
from html import escape

WIDTH, HEIGHT = 900, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 22, 34
LETTER = 6.5
"""Width of a letter of a name, at most."""
TICKS = 8
"""About so many labels on an axis."""

Curve = Sequence[tuple[float, float]]
"""Seconds and MW, in the order of time."""


def plot(
    title: str,
    ordered: Sequence[Curve],
    measured: Sequence[Curve],
    span_s: tuple[float, float],
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """A figure with axes, one line for each curve, and marks with their names.

    A name that would cover the one before is left out. ``ordered`` are drawn as steps. Curves of a
    kind are pieces of one line, with holes between.
    """
    values = [mw for curve in (*ordered, *measured) for _, mw in curve] or [0.0]
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or max(1e-6, 0.1 * abs(high))
    frame = _PlotFrame(span_s[0], max(span_s[1], span_s[0] + 1e-3), low - margin, high + margin)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="plot">',
        f"<title>{escape(title)}</title>",
        *frame.axes(),
    ]
    free_x = 0.0
    for at_s, name in marks:
        x, width = frame.x(at_s), LETTER * len(name)
        parts.append(f'<path class="mark" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        begins_x = min(x + 3, WIDTH - width)
        if begins_x >= free_x:
            text = f'<text x="{begins_x:.1f}" y="{TOP - 6}" class="name">{escape(name)}</text>'
            parts.append(text)
            free_x = begins_x + width
    for name, curves, steps in (("ordered", ordered, True), ("measured", measured, False)):
        parts += [
            f'<path class="{name}" d="{frame.path(curve, steps=steps)}"/>'
            for curve in curves
            if curve
        ]
    return "\n".join([*parts, "</svg>"])


class _PlotFrame:
    """The axes' ranges, and where a point lies on the paper."""

    def __init__(self, from_s: float, to_s: float, low_mw: float, high_mw: float) -> None:
        self._from_s, self._to_s = from_s, to_s
        self._low, self._high = low_mw, high_mw

    def x(self, at_s: float) -> float:
        share = (at_s - self._from_s) / (self._to_s - self._from_s)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, mw: float) -> float:
        share = (mw - self._low) / (self._high - self._low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def path(self, curve: Curve, *, steps: bool) -> str:
        (first_s, first_mw), *rest = curve
        drawn = [f"M{self.x(first_s):.1f} {self.y(first_mw):.1f}"]
        for at_s, mw in rest:
            x, y = self.x(at_s), self.y(mw)
            drawn.append(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}")
        return "".join(drawn)

    def axes(self) -> Iterator[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for mw in _ticks(self._low, self._high):
            y = self.y(mw)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="power">{mw:g}</text>'
        for at_s in _ticks(self._from_s, self._to_s):
            x = self.x(at_s)
            yield f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 16}" class="time">{at_s:g}</text>'
        yield f'<text x="{LEFT - 6}" y="{TOP - 6}" class="power">MW</text>'
        yield f'<text x="{right}" y="{HEIGHT - 4}" class="unit">s</text>'


def _ticks(low: float, high: float) -> Iterator[float]:
    """Round values between the two."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield round(number * step, 12)
