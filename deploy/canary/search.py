"""Searching bytes, whatever their length: without regard to the case of ASCII letters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ahocorasick_rs import BytesAhoCorasick, MatchKind


class Search:
    """Looks for forms (in lower case) by the field that they belong to."""

    def __init__(self, forms: Mapping[str, Iterable[bytes]]) -> None:
        fields = {form: name for name, of_field in forms.items() for form in of_field if form}
        # A form that holds another one is found with it.
        self._forms = {
            form: name for form, name in fields.items() if not any(other != form and other in form for other in fields)
        }
        self._ordered = list(self._forms)
        # All forms in one pass (Aho and Corasick, 1975): one after the other they would be most of a scan.
        self._matcher = BytesAhoCorasick(self._ordered) if self._ordered else None
        # Whether there is any match is told ten times as fast as which they all are, and most contents have none.
        self._screen = BytesAhoCorasick(self._ordered, matchkind=MatchKind.LeftmostFirst) if self._ordered else None
        self.overlap = max(map(len, self._forms), default=1) - 1

    def forms_in(self, content: bytes) -> set[bytes]:
        """The forms that stand in the content."""
        if self._matcher is None or self._screen is None:
            return set()
        lower = content.lower()
        if not self._screen.find_matches_as_indexes(lower):
            return set()
        found = self._matcher.find_matches_as_indexes(lower, overlapping=True)
        return {self._ordered[which] for which, _, _ in found}

    def fields_in(self, content: bytes) -> set[str]:
        """The fields of which a form stands in the content."""
        return {self._forms[form] for form in self.forms_in(content)}


@dataclass(slots=True)
class Stream:
    """A stream of parts that is searched as a whole; `size` counts its bytes."""

    search: Search
    found: set[str] = field(default_factory=set)
    size: int = 0
    _tail: bytes = b""

    def feed(self, part: bytes) -> set[str]:
        """The fields found in the part, or where it meets the one before; they are noted in `found` too."""
        content = self._tail + part
        here = self.search.fields_in(content)
        self._tail = content[-self.search.overlap :] if self.search.overlap else b""
        self.size += len(part)
        self.found |= here
        return here
