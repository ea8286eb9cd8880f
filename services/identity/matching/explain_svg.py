"""An explanation as a picture: the prior and one bar per field, each from where the last one ended."""

from __future__ import annotations

from xml.sax.saxutils import escape

from services.identity.matching.explain import Explanation

_WIDTH, _LABELS, _PLOT, _ROW = 960, 200, 360, 24
_FOR, _AGAINST, _PRIOR = "#2f7d4f", "#b3392f", "#777777"
_LONGEST = 40


def bits(weight: int) -> str:
    """Thousandths of a bit as bits, exactly: the printed bars add up like the integers."""
    return f"{'-' if weight < 0 else '+'}{abs(weight) // 1000}.{abs(weight) % 1000:03}"


def to_svg(explanation: Explanation) -> str:
    """The picture as one SVG document. It shows what both records say: keep it where the records may be seen."""
    steps = [("prior", "", explanation.prior, "")]
    steps += [
        (bar.field, bar.level, bar.weight, _values(bar.normal_a, bar.normal_b, bar.note)) for bar in explanation.bars
    ]
    ends, at = [], 0
    for *_, weight, _ in steps:
        at += weight
        ends.append(at)
    marks = (0, explanation.review, explanation.merge, *ends)
    low, high = min(marks), max(marks)
    scale = _PLOT / max(high - low, 1)

    def x(weight: int) -> float:
        return round(_LABELS + (weight - low) * scale, 1)

    rows = []
    for n, ((field, level, weight, values), end) in enumerate(zip(steps, ends, strict=True)):
        top = 40 + n * _ROW
        start = end - weight
        colour = _PRIOR if field == "prior" else _FOR if weight >= 0 else _AGAINST
        left, width = min(x(start), x(end)), max(abs(x(end) - x(start)), 1)
        rows += [
            _text(8, top + 14, f"{field} {level}".strip()),
            f'<rect x="{left}" y="{top + 3}" width="{width:.1f}" height="14" fill="{colour}"/>',
            _text(_LABELS + _PLOT + 12, top + 14, bits(weight)),
            _text(_LABELS + _PLOT + 84, top + 14, values),
        ]
    bottom = 40 + len(steps) * _ROW
    lines = [
        f'<line x1="{x(weight)}" y1="30" x2="{x(weight)}" y2="{bottom}" stroke="#333" stroke-dasharray="4 3"/>'
        + _text(x(weight) - 16, 26, name)
        for name, weight in (("review", explanation.review), ("merge", explanation.merge))
    ]
    verdict = f"{bits(explanation.weight)} bits: {explanation.decision}"
    verdict += f", held back by the guard {explanation.guard}" if explanation.guard else ""
    foot = [_text(8, bottom + 20, verdict), _text(8, bottom + 38, f"{explanation.model}, {explanation.normaliser}")]
    return "\n".join([_open(bottom + 50), *lines, *rows, *foot, "</svg>", ""])


def _open(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )


def _text(x: float, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(_printable(text))}</text>'


def _printable(text: str) -> str:
    """What XML may hold: no control characters and no halves of a character."""
    return "".join(c for c in text if c.isprintable())


def _values(a: str, b: str, note: str) -> str:
    if not a and not b:
        return note
    shown = a[:_LONGEST] if a == b else f"{a[:_LONGEST]} | {b[:_LONGEST]}"
    return f"{shown} ({note})" if note else shown
