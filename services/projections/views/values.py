"""The values that a member's fields refer to, taken from its opened events, and how two of them compare. Pure."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import orjson

from shared.events.envelope import Erased, Recorded

Opened: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Event -> its sealed fields as JSON. An event whose subject was erased, or that was blanked, is not in it."""

_HOLDERS: Mapping[str, tuple[str, ...]] = {"address": ("address",), "extension": ("value",)}
"""Group of golden fields -> the fields of events that hold it; else the one of its own name."""


def opened_of(events: Iterable[Recorded]) -> Opened:
    """The sealed fields of events that were opened on the way."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        names = {name for name in event.data.SEALED if not isinstance(getattr(event.data, name), Erased)}
        if names:
            found[event.id] = event.data.model_dump(mode="json", include=names, exclude_none=True)
    return found


def held(opened: Opened, event: str, field: str, contact: str = "") -> Any:
    """The value of a field of the golden record that an event holds; None if it is erased, or was not opened."""
    fields = opened.get(event)
    if fields is None:
        return None
    if contact:
        points = fields.get("contact_points", ())
        return next((point["value"] for point in points if point["contact_id"] == contact), fields.get("value"))
    group = field.partition(":")[0]
    return next((fields[name] for name in _HOLDERS.get(group, (group,)) if name in fields), None)


def compared(value: Any) -> str:
    """The text by which values are compared: not by case, width or white space. Names by how they are shown."""
    if isinstance(value, dict) and "full" in value:
        value = value["full"]
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def size_of(value: Any) -> int:
    """The characters of all its parts."""
    if isinstance(value, dict):
        return sum(size_of(part) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(size_of(part) for part in value)
    return len(str(value))
