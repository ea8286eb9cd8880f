"""How the tables of words beside this module are written: many words to a line, so that one page shows them."""

from __future__ import annotations


def listed(words: str) -> tuple[str, ...]:
    """The words of a table, written with spaces between them."""
    return tuple(words.split())
