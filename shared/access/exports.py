"""Rows that leave as a file: recorded in the access log before they leave, under an id that the file carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.events.access import Exported
from shared.ids import uuid7

if TYPE_CHECKING:
    from shared.access.journal import Access, Journal


@dataclass(frozen=True, slots=True)
class Export:
    """What leaves: the kind of file, its rows and the reason as whoever exports gives it.

    `customer` is whom all of it is about, `others` further customers it is about, such as those who are one person with
    that one. Without any it is recorded about the account that exports.
    """

    what: str
    rows: int
    reason: str
    customer: str | None = None
    others: tuple[str, ...] = ()


async def record(journal: Journal, access: Access, export: Export) -> str:
    """Makes durable that the rows leave. Answers the watermark, an id to write into the file; let it leave afterwards.

    Raises Unavailable (retry): then nothing may leave.
    """
    watermark = uuid7()
    event = Exported(what=export.what, rows=export.rows, watermark=watermark, reason=export.reason)
    about = (export.customer, *export.others) if export.customer else export.others
    await journal.exported(access, event, *sorted(set(about)))
    return watermark
