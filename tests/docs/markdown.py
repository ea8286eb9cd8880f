"""What stands in a Markdown file: headings, code blocks, and commands with the output shown below them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?(?:Z|\+00:00)"), "<instant>"),
    (re.compile(r"(?<=prev[:=])[0-9]+"), "<position>"),
    (re.compile(r"(?<=127\.0\.0\.1:)[0-9]+"), "<port>"),
    (re.compile(r"(?<=-)[0-9a-f]{2,8}(?:-[0-9a-f]*)*…"), "<id>"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]*)?…"), "<instant>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced code block: the words after the fence, its text, and the line where it begins."""

    info: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of the language `sh`, and what the documentation says that they print (None if it shows nothing)."""

    block: Block
    shown: str | None


def blocks(text: str) -> list[Block]:
    return [Block(it["info"], it["content"], text.count("\n", 0, it.start()) + 1) for it in _BLOCK.finditer(text)]


def headings(text: str) -> list[str]:
    """The levels of the headings, in order, as `#` signs."""
    return _HEADING.findall(_BLOCK.sub("", text))


def links(text: str) -> Iterator[Path]:
    """Files of the project that are linked to."""
    for target in _LINK.findall(_BLOCK.sub("", text)):
        yield Path(target)


def steps(text: str) -> list[Step]:
    """Blocks whose language is `sh`, each with the block of the language `output` that follows it directly."""
    found = blocks(text)
    after = [*found[1:], None]
    return [
        Step(block, following.text if following is not None and following.info == "output" else None)
        for block, following in zip(found, after, strict=True)
        if block.info.split()[:1] == ["sh"]
    ]


def missing(shown: str, printed: str) -> list[str]:
    """The shown lines that were not printed, in this order. `...` stands for anything; ids, times and ports differ."""
    lines = [stable(line) for line in printed.splitlines()]
    at = 0
    absent = []
    for line in shown.splitlines():
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in stable(line).split("...")))
        found = next((n for n in range(at, len(lines)) if pattern.fullmatch(lines[n])), None)
        if stable(line) in ("", "..."):
            continue
        if found is None:
            absent.append(line)
        else:
            at = found + 1
    return absent


def stable(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in _CHANGING:
        line = pattern.sub(word, line)
    return line.strip()
