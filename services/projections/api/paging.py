"""Pages of a list: a capped length, and a cursor that names the last item by what the list is sorted by. And as of
when."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from shared.as_of import LONGEST
from shared.errors import Invalid

MOST = 200
Limit = Annotated[int, Query(ge=1, le=MOST)]
AsOfText = Annotated[
    str | None,
    Query(
        max_length=LONGEST,
        description="an instant with its zone (2026-11-22T09:00:00Z), or positions (customer:120,identity:80)",
    ),
]
REACHED = "Custlog-Reached"
"""Header of an answer about the past: log:position of the newest event of each log that the views have."""


class Page(BaseModel):
    """Some items, and what to send as `after` for the next ones; null at the end."""

    items: list[dict[str, Any]]
    after: str | None


def cursor(items: list[dict[str, Any]], limit: int, *names: str) -> str | None:
    """The cursor behind a page; None if the page is not full."""
    return "~".join(str(items[-1][name]) for name in names) if len(items) == limit else None


def parse_cursor(text: str | None) -> tuple[str, str] | None:
    """The two sort values of a cursor. Invalid if it is none of ours."""
    if text is None:
        return None
    first, separator, second = text.partition("~")
    if not separator:
        raise Invalid(
            "Send `after` as the last answer gave it.",
            errors=[{"field": "after", "message": "is no cursor of this list"}],
        )
    return first, second
