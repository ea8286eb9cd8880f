"""Whether the events of a command say what its body said. Field names are told, values never.

Compared are the fields of the body that an event of the command has under the same name (`name`, `value`, `lines`,
`total`, ...; texts in NFC, without outer white space, instants as instants, a contact point also by its `raw` form).
What the events of the command do not mention (an edit stores only what changed) must stand in an earlier event of the
same stream; that is asked for the fields of LASTING only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.events.envelope import Erased, Recorded

LASTING = frozenset(
    {
        *("name", "birth_date", "address", "value", "phones", "emails", "identifier", "identifiers", "classification"),
        *("tags", "add", "code", "owner", "team", "other", "text_version", "summary", "text", "reference", "total"),
        *("lines", "amount", "note", "due_at", "topic", "external_id"),
    }
)
"""Fields of which every value has to be found again, in whatever event."""


def differing(
    body: Any, events: Sequence[Recorded], earlier: Iterable[Recorded] = (), *, erased: bool = False
) -> list[str]:
    """The names of the body's fields that the log does not say in the same way.

    Of who was `erased`, sealed fields say nothing any more; what is said in the open is compared all the same.
    """
    if not isinstance(body, Mapping):
        return []
    if erased:
        body = {name: value for name, value in body.items() if not _is_gone(name, events)}
    told = [event.data.model_dump(mode="json") for event in events]
    wrong = {name for data in told for name in body.keys() & data.keys() if not _same(body[name], data[name], data)}
    known = {text for data in told for text in _texts(data)}
    missing = [] if erased else [name for name in sorted(LASTING & body.keys()) if not set(_texts(body[name])) <= known]
    if missing:
        known |= {text for event in earlier for text in _texts(event.data.model_dump(mode="json"))}
        wrong |= {name for name in missing if not set(_texts(body[name])) <= known}
    return sorted(wrong)


def _same(sent: Any, stored: Any, data: Mapping[str, Any]) -> bool:
    match sent, stored:
        case None, _:
            return not stored
        case str(), str():
            forms = {_text(stored), *(_text(raw) for raw in [data.get("raw")] if isinstance(raw, str))}
            return _text(sent) in forms
        case str(), Mapping():
            return _same(sent, stored.get("full"), {})
        case Mapping(), Mapping():
            return all(_same(part, stored.get(name), {}) for name, part in sent.items())
        case list(), list():
            # Repeated entries (tags, contact points) are stored once.
            return all(any(_same(part, other, {}) for other in stored) for part in sent)
        case _:
            return bool(type(sent) is type(stored) and sent == stored)


def _is_gone(name: str, events: Sequence[Recorded]) -> bool:
    return any(isinstance(getattr(event.data, name, None), Erased) for event in events)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case None:
            return
        case Mapping():
            for part in value.values():
                yield from _texts(part)
        case list():
            for part in value:
                yield from _texts(part)
        case _:
            yield _text(str(value))


def _text(value: str) -> str:
    text = unicodedata.normalize("NFC", value).strip()
    if "T" in text[10:11]:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment.astimezone(UTC).isoformat()
    if text.startswith("+") and all(char.isdigit() or char in "+ -()./" for char in text):
        return "+" + "".join(char for char in text if char.isdigit())
    return text.casefold() if "@" in text else text
