"""What is searched for: the values of one customer in every form in which a place may hold them. Pure.

Only what tells somebody apart is searched for. A date, a town or a postcode stands in many places for other
people, and so does a word of a few letters: such values are counted as left out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from services.identity.matching.customer import normal_of
from services.identity.matching.features import NOTHING, evolve
from services.identity.matching.keys import keys
from services.identity.matching.spelling import compact, words
from services.projections.views.directory_keys import last_digits
from shared.events.envelope import Recorded

SHORTEST = 6
"""Shorter texts, in characters, are left out."""
SHORTEST_NUMBER = 8
_SHARED = frozenset(
    {
        "birth_date",
        "contact_id",
        "country",
        "kind",
        "locality",
        "postcode",
        "region",
        "street_number",
        "type",
    }
)
"""Fields whose values many people have."""
_A_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T[0-9:.]+(Z|[+-]\d{2}:\d{2})?)?")


class Value(NamedTuple):
    """A text of a sealed field, and the name of the field."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Needles:
    """Field -> the forms, in lower case, that are searched for; held in memory and never written down.

    values    how many texts they are forms of
    left_out  reason -> how many texts are not searched for
    """

    forms: Mapping[str, frozenset[bytes]]
    values: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def every(self) -> frozenset[bytes]:
        """The forms of all fields."""
        return frozenset().union(*self.forms.values())

    def without(self, shared: Iterable[bytes]) -> Needles:
        """Those that nobody else has: a text goes with its form that others have too."""
        others = frozenset(shared)
        kept = {name: forms - others for name, forms in self.forms.items()}
        gone = len(self.every & others)
        left_out = {**self.left_out, **({"forms that others have too": gone} if gone else {})}
        return Needles({name: forms for name, forms in kept.items() if forms}, self.values, left_out)

    def also_of(self, others: Needles) -> set[bytes]:
        """Those of our forms that stand in forms of other people."""
        theirs = others.every
        return {form for form in self.every if any(form in their for their in theirs)}


def of_events(events: Iterable[Recorded], customer: str) -> Needles:
    """What the opened events say about a customer, and what matching makes of it."""
    told = [event for event in events if event.customer == customer]
    forms: dict[str, set[bytes]] = {}
    texts = set(values(told))
    kept = {value for value in texts if _tells_apart(value)}
    for value in kept:
        forms.setdefault(value.field, set()).update(forms_of(value.text))
    features = NOTHING
    for event in sorted(told, key=lambda each: (each.log, each.stream, each.seq)):
        features = evolve(features, event.data)
        for key in keys(normal_of(features)):
            forms.setdefault("match key", set()).add(_lower(key))
    left_out = len(texts) - len(kept)
    named = {field: frozenset(found) for field, found in forms.items() if found}
    return Needles(named, len(kept), {"short or shared by many": left_out} if left_out else {})


def values(events: Iterable[Recorded]) -> Iterator[Value]:
    """Every text in the sealed fields of the events."""
    for event in events:
        data = event.data.model_dump(mode="json", include=set(event.data.SEALED))
        for name, content in data.items():
            yield from _texts(name, content)


def forms_of(text: str) -> set[bytes]:
    """A text as it may stand somewhere: as given, folded, without accents, escaped, and as its digits."""
    composed = unicodedata.normalize("NFC", text)
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(char for char in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(char))
    written = {text, composed, folded, plain, text.upper(), text.lower()}
    written |= {unicodedata.normalize("NFD", each) for each in (text, folded)}
    written |= {json.dumps(each)[1:-1] for each in (text, folded)}
    written |= {quote(text), quote(text, safe=""), quote(text).replace("%20", "+")}
    parts = {part for part in (compact(text), *words(text), *words(plain)) if len(part) >= SHORTEST}
    digits = "".join(char for char in text if char in "0123456789")
    # The directory keeps them from the last one on.
    last = digits[-SHORTEST_NUMBER:]
    numbers = {digits, last, last[::-1], last_digits(text)} if _is_number(text) else set()
    long_enough = {number for number in numbers if len(number) >= SHORTEST_NUMBER}
    return {_lower(form) for form in written | parts | long_enough}


def _texts(field: str, content: Any) -> Iterator[Value]:
    if isinstance(content, str):
        yield Value(field, content)
    elif isinstance(content, Mapping):
        if content.get("erased") is True:
            return
        for name, inner in content.items():
            yield from _texts(name if name in _SHARED else field, inner)
    elif isinstance(content, list | tuple):
        for inner in content:
            yield from _texts(field, inner)


def _tells_apart(value: Value) -> bool:
    text = value.text.strip()
    return value.field not in _SHARED and len(text) >= SHORTEST and not _A_DATE.fullmatch(text)


def _is_number(text: str) -> bool:
    digits = sum(char in "0123456789" for char in text)
    return digits >= SHORTEST_NUMBER and all(char in "0123456789+-()/. " for char in text)


def _lower(text: str) -> bytes:
    return text.encode(errors="surrogatepass").lower()
