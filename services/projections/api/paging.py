"""Pages of a list: a capped length, and a cursor that names the last item by what the list is sorted by."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from shared.errors import Invalid

MOST = 200
Limit = Annotated[int, Query(ge=1, le=MOST)]


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
