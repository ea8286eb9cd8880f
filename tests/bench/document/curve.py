"""Curves as SVG: small charts beside each other, both axes logarithmic, every line named at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

_WIDTH, _HEIGHT = 480, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 40, 34
_COLUMNS = 2
_LABEL_APART = 14.0
_STEPS = (1, 2, 5)
_COLOURS = ("#3b82f6", "#e07b00", "#16a34a", "#d6409f", "#8b5cf6", "#0891b2", "#a16207")
_STYLE = """
    text{fill:#24292f;font:12px Helvetica,Arial,sans-serif} .t{font-size:14px;font-weight:bold}
    .g{stroke:#8c959f;stroke-opacity:.35} .c{fill:none;stroke-width:2} .s{fill:#57606a}
    @media (prefers-color-scheme:dark){text{fill:#e6edf3} .s{fill:#9da7b3}}
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: `lines` holds a positive value of each line for each x."""

    title: str
    xs: Sequence[float]
    lines: Mapping[str, Sequence[float]]


def draw(title: str, charts: Sequence[Chart]) -> str:
    """The SVG of all charts. Legible on a light and on a dark page."""
    rows = -(-len(charts) // _COLUMNS)
    size = f"0 0 {_COLUMNS * _WIDTH} {rows * _HEIGHT}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}">', f"  <title>{escape(title)}</title>"]
    parts.append(f"  <style>{_STYLE}  </style>")
    for number, chart in enumerate(charts):
        across, down = number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT
        parts += [f'  <g transform="translate({across} {down})">', *(f"    {part}" for part in _chart(chart)), "  </g>"]
    return "\n".join([*parts, "</svg>", ""])


def ticks(values: Sequence[float]) -> list[float]:
    """The numbers 1, 2, 5 times a power of ten that enclose the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1
    every = [step * 10.0**power for power in range(low, high + 1) for step in _STEPS]
    first = max(tick for tick in every if tick <= min(values))
    last = min(tick for tick in every if tick >= max(values) and tick > first)
    return [tick for tick in every if first <= tick <= last]


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Places near the wanted ones, in their order, no two nearer than `apart`."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    places = list(wanted)
    for before, after in pairwise(order):
        places[after] = max(places[after], places[before] + apart)
    excess = places[order[-1]] - max(wanted) if order else 0
    return [place - excess / 2 for place in places]


def _chart(chart: Chart) -> list[str]:
    scale = ticks([value for values in chart.lines.values() for value in values])
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT

    def x(value: float) -> float:
        span = math.log10(chart.xs[-1] / chart.xs[0]) or 1
        return _LEFT + math.log10(value / chart.xs[0]) / span * (right - _LEFT)

    def y(value: float) -> float:
        return bottom - math.log10(value / scale[0]) / math.log10(scale[-1] / scale[0]) * (bottom - _TOP)

    parts = [f'<text class="t" x="{_LEFT}" y="22">{escape(chart.title)}</text>']
    for tick in scale if len(scale) < 8 else [tick for tick in scale if math.log10(tick).is_integer()]:
        parts.append(f'<path class="g" d="M{_LEFT} {y(tick):.1f}H{right}"/>')
        parts.append(f'<text class="s" x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    parts += [
        f'<text class="s" x="{x(value):.1f}" y="{bottom + 20}" text-anchor="middle">{_short(value)}</text>'
        for value in chart.xs
    ]
    labels = spread([y(values[-1]) for values in chart.lines.values()], _LABEL_APART)
    for (name, values), label, colour in zip(chart.lines.items(), labels, _COLOURS, strict=False):
        points = [(f"{x(at):.1f}", f"{y(value):.1f}") for at, value in zip(chart.xs, values, strict=True)]
        joined = " ".join(f"{across},{down}" for across, down in points)
        parts.append(f'<polyline class="c" stroke="{colour}" points="{joined}"/>')
        parts += [f'<circle r="3" fill="{colour}" cx="{across}" cy="{down}"/>' for across, down in points]
        parts.append(f'<path stroke="{colour}" d="M{right + 4} {y(values[-1]):.1f}L{right + 12} {label:.1f}"/>')
        parts.append(f'<text x="{right + 15}" y="{label + 4:.1f}">{escape(name)}</text>')
    return parts


def _short(value: float) -> str:
    for size, letter in ((1_000_000, " M"), (1_000, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
