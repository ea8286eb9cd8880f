"""An explanation as a picture: the prior and one bar per field, each from where the last one ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

from services.identity.matching.explain import ExplainedBar, Explanation

_SIZE, _LINE, _EDGE, _GAP = 12, 16, 8, 16
_PLOT, _VALUES = 320, 290
_TOP = 40
"""Where the rows begin: above them stand the names of the thresholds and of the two records."""
_FOR, _AGAINST, _PRIOR, _FAINT = "#2f7d4f", "#b3392f", "#777777", "#666666"
_BROAD = frozenset("mwMWOQ@%&")


@dataclass(frozen=True, slots=True)
class _Row:
    """One addend: what it is called, where its bar begins and ends, and the lines that both records say to it."""

    label: str
    weight: int
    end: int
    sides: tuple[Sequence[str], Sequence[str]] = ((), ())
    note: Sequence[str] = ()

    @property
    def lines(self) -> int:
        return max(1, max(map(len, self.sides)) + len(self.note))


def bits(weight: int) -> str:
    """Thousandths of a bit as bits, exactly: the printed bars add up like the integers."""
    return f"{'-' if weight < 0 else '+'}{abs(weight) // 1000}.{abs(weight) % 1000:03}"


def to_svg(explanation: Explanation, names: tuple[str, str] = ("a", "b"), notes: Sequence[str] = ()) -> str:
    """The picture as one SVG document, with the `names` of the two records and `notes` below it.

    Long values are broken into lines, nothing is cut. It shows what both records say: keep it where the records may be
    seen.
    """
    rows = list(_rows(explanation))
    plot = _EDGE + max(_width(row.label) for row in rows) + _GAP
    weights = plot + _PLOT + _GAP
    left = weights + max(_width(bits(row.weight)) for row in rows) + _GAP
    right = left + _VALUES + _GAP
    width = right + _VALUES + _EDGE
    heads = [_wrapped(name, _VALUES) for name in names]
    top = _TOP + _LINE * (max(map(len, heads)) - 1)
    marks = (0, explanation.review, explanation.merge, *(row.end for row in rows))
    low, high = min(marks), max(marks)

    def x(weight: int) -> float:
        return round(plot + (weight - low) * _PLOT / max(high - low, 1), 1)

    drawn, y = [], top
    for row in rows:
        begin, end = sorted((x(row.end - row.weight), x(row.end)))
        colour = _PRIOR if row.label == "prior" else _FOR if row.weight >= 0 else _AGAINST
        drawn += [
            *_texts(_EDGE, y, [row.label]),
            f'<rect x="{begin}" y="{y + 2}" width="{max(end - begin, 1):.1f}" height="{_LINE - 4}" fill="{colour}"/>',
            *_texts(weights, y, [bits(row.weight)]),
            *_texts(left, y, row.sides[0]),
            *_texts(right, y, row.sides[1]),
            *_texts(left, y + _LINE * (row.lines - len(row.note)), row.note, _FAINT),
        ]
        y += _LINE * row.lines + 8
    foot = [part for line in _foot(explanation, notes) for part in _wrapped(line, width - 2 * _EDGE)]
    return "\n".join(
        [
            *_open(width, y + _LINE * len(foot) + _GAP),
            *_texts(left, top - _LINE * len(heads[0]) - 4, heads[0], _FAINT),
            *_texts(right, top - _LINE * len(heads[1]) - 4, heads[1], _FAINT),
            *_thresholds(explanation, x(explanation.review), x(explanation.merge), top, y),
            *drawn,
            *_texts(_EDGE, y + 4, foot),
            "</svg>",
            "",
        ]
    )


def _rows(explanation: Explanation) -> Iterator[_Row]:
    yield _Row("prior", explanation.prior, explanation.prior)
    ends = accumulate((bar.weight for bar in explanation.bars), initial=explanation.prior)
    next(ends)
    for bar, end in zip(explanation.bars, ends, strict=True):
        sides = (_side(bar.raw_a, bar.normal_a), _side(bar.raw_b, bar.normal_b))
        yield _Row(f"{bar.field} {bar.level}".strip(), bar.weight, end, sides, _note(bar))


def _side(raw: str, normal: str) -> Sequence[str]:
    """What a record says as it was given, and in another line what was compared, if that is another text."""
    compared = _wrapped(f"= {normal}", _VALUES) if normal and normal != raw else []
    return [*(_wrapped(raw, _VALUES) if raw else []), *compared]


def _note(bar: ExplainedBar) -> Sequence[str]:
    return _wrapped(bar.note, 2 * _VALUES + _GAP) if bar.note else []


def _foot(explanation: Explanation, notes: Sequence[str]) -> Iterator[str]:
    guard = f", held back by the guard {explanation.guard}" if explanation.guard else ""
    yield f"{bits(explanation.weight)} bits: {explanation.decision}{guard}"
    yield f"merge from {bits(explanation.merge)} bits, review from {bits(explanation.review)}"
    yield f"keys that both have: {', '.join(explanation.keys) or 'none'}"
    yield from notes
    yield f"{explanation.model}, {explanation.normaliser}"


def _thresholds(explanation: Explanation, review: float, merge: float, top: int, bottom: int) -> Iterator[str]:
    # The name of the lower one ends at its line, that of the higher one begins there: they never meet.
    lower, higher = ("review", "merge") if explanation.review <= explanation.merge else ("merge", "review")
    for name, at in (("review", review), ("merge", merge)):
        yield f'<line x1="{at}" y1="{top - 4}" x2="{at}" y2="{bottom}" stroke="#333333" stroke-dasharray="4 3"/>'
        yield from _texts(at - 3, top - 24, [name], anchor="end") if name == lower else ()
        yield from _texts(at + 3, top - 24, [name]) if name == higher else ()


def _open(width: float, height: float) -> Iterator[str]:
    size = f'width="{width:.0f}" height="{height:.0f}"'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="sans-serif" font-size="{_SIZE}">'
    )
    yield f'<rect {size} fill="#ffffff"/>'


def _texts(
    x: float, y: float, lines: Sequence[str], colour: str = "#000000", *, anchor: str = "start"
) -> Iterator[str]:
    for number, line in enumerate(lines):
        at = f'x="{x:.1f}" y="{y + _SIZE + _LINE * number:.1f}"'
        yield f'<text {at} fill="{colour}" text-anchor="{anchor}">{escape(_printable(line))}</text>'


def _wrapped(text: str, width: float) -> list[str]:
    """The text in lines that fit, broken between words where that goes and inside of them where it does not."""
    lines, line = [], ""
    for word in re.findall(r"\S+\s*|\s+", _printable(text)):
        if line and _width((line + word).rstrip()) > width >= _width(word.rstrip()):
            lines.append(line)
            line = ""
        for letter in word:
            if line and _width((line + letter).rstrip()) > width:
                lines.append(line)
                line = ""
            line += letter
    return [*lines, line]


def _width(text: str) -> float:
    """About as much room as the text takes in the broadest usual font: a picture does not know its fonts."""
    return _SIZE * sum(map(_em, text))


def _em(letter: str) -> float:
    if letter in _BROAD or east_asian_width(letter) in "WFA":
        return 1.05
    if not letter.isascii():
        return 0.9
    return 0.8 if letter.isupper() else 0.66


def _printable(text: str) -> str:
    """What XML may hold: no control characters and no halves of a character."""
    return "".join(" " if c.isspace() else c for c in text if c.isprintable() or c.isspace())
