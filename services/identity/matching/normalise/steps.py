"""What normalising did to a record, value by value: for explanations, where nothing may be hidden. Slow, complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from services.identity.matching.normalise import addresses, companies, dates, emails, identifiers, names, phones
from services.identity.matching.normalise.record import MOST, country_of, normalise
from services.identity.matching.normalise.text import LONGEST
from services.identity.matching.normalise.text import Steps as Done
from services.identity.matching.record import Normal, Raw


class Explained(NamedTuple):
    """One value of a record: its field, the value as it was given, and every step with the value after it.

    The last steps are the parts of the result, as `normalise` gives them; a value that says nothing has the one step
    "not known".
    """

    field: str
    given: str
    steps: tuple[tuple[str, str], ...]


def steps(raw: Raw, country: str = "") -> list[Explained]:
    """Every step from `raw` to `normalise(raw, country)`, in the order of the fields. Never fails.

    What is worked out of several values (the name of its parts, a kind or a gender that nobody gave) stands last, under
    the field of `Normal` and with no value given. A value that was too long is shown as it was read: cut.
    """
    normal = normalise(raw, country)
    where = country_of(raw, normal.homes) or country
    return [*_values(raw, normal, where), *_results(normal)]


def _values(raw: Raw, normal: Normal, where: str) -> Iterator[Explained]:
    name: Callable[[str, Done], Any] = companies.read if normal.kind == "org" else _words
    for field, value in (("full", raw.full), ("given", raw.given), ("family", raw.family)):
        yield from _read(field, value, LONGEST, name)
    yield from _read("company", raw.company, LONGEST, companies.read)
    for other in raw.others[: names.MOST]:
        yield from _read("others", other, LONGEST, name)
    yield from _read("birth_date", raw.birth_date, LONGEST, lambda text, done: dates.read(text, where, done))
    for text in raw.phones[:MOST]:
        for part in phones.parted(text):
            yield from _read("phones", part, phones.LONGEST, lambda cut, done: phones.read(cut, where, done))
    for text in raw.emails[:MOST]:
        for part in emails.parted(text):
            yield from _read("emails", part, LONGEST, emails.read)
    for address in raw.addresses[:MOST]:
        found = addresses.home(address)
        written = [getattr(address, part) for part in address.__struct_fields__]
        yield Explained("addresses", " | ".join(value[:LONGEST] for value in written if value), _shown(found))
    for kind, value in raw.identifiers[:MOST]:
        reader = partial(identifiers.read, kind[:LONGEST])
        yield from _read(f"identifiers {kind[:LONGEST]}", value, identifiers.LONGEST, reader)


def _read(field: str, value: str, longest: int, read: Callable[[str, Done], Any]) -> Iterator[Explained]:
    if not value:
        return
    done: Done = []
    cut = value[:longest]
    if len(value) > longest:
        done.append((f"cut to the first {longest} of {len(value)} characters", cut))
    found = read(cut, done)
    yield Explained(field, cut, (*done, *_shown(found)))


def _words(text: str, done: Done) -> names.Reading | None:
    """A name read by itself. Which word is which is told by all the names of the record together: see the results."""
    found = names.read_words(text, done)
    return None if found == names.NOTHING else found


def _shown(found: Any) -> tuple[tuple[str, str], ...]:
    """The parts of a result that say something."""
    if found is None:
        return (("not known", ""),)
    fields = found._fields if isinstance(found, names.Reading) else found.__struct_fields__
    parts = ((field, getattr(found, field)) for field in fields)
    return tuple((field, _plain(value)) for field, value in parts if value not in {"", (), 0, None} or value is False)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(str(part) for part in value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _results(normal: Normal) -> Iterator[Explained]:
    if normal.kind:
        yield Explained("kind", "", (("kind", normal.kind),))
    for name in normal.names:
        yield Explained("names", "", _shown(name))
    if normal.gender:
        yield Explained("gender", "", (("gender", normal.gender),))
    if normal.birth:
        yield Explained("birth", "", _shown(normal.birth))
    for comparison, value in normal.extra:
        yield Explained(f"extra {comparison}", "", (("folded", value),))
