"""Rows of somebody's file, looked at before the log is asked anything."""

from __future__ import annotations

import re

from services.identity.issuing.commands import KnownNumber, RowAnswer
from services.identity.numbering.personal import personal
from services.identity.streams import BY_SOURCE
from shared.ids import is_uuid

KINDS = ("number", "former", "foreign")
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\- ]{0,99}")


def refused(row: KnownNumber) -> RowAnswer | None:
    """Why a row cannot be taken over, whatever is known of its customer; None if it may be."""
    fault = _of_customer(row.customer) or _of_number(row.number) or _of_kind(row.kind)
    return None if fault is None else RowAnswer(customer=row.customer, error=fault)


def _of_customer(text: str) -> str | None:
    if not text:
        return "it names no customer"
    if text.startswith(BY_SOURCE):
        return (
            "no customer is found here by source and external id: custlog numbers import looks them up; check them, "
            "or give the customer's id, or a number or alias that leads to it"
        )
    return None if _REFERENCE.fullmatch(text) else "its customer is no id, number or alias"


def _of_number(text: str) -> str | None:
    if not text:
        return "it has no number"
    if (what := personal(text)) is not None:
        return f"this is {what}, and personal data never stands in a number, which everybody sees"
    if not _NUMBER.fullmatch(text):
        return "a number has 1 to 64 letters, digits or _ . : - and begins with a letter or digit"
    if is_uuid(text) or text.startswith(BY_SOURCE):
        return "this number could be mistaken for an id, or an external id with its source"
    return None


def _of_kind(text: str) -> str | None:
    return None if text in KINDS else f"its kind is none of {', '.join(KINDS)}"
