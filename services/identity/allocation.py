"""Serials of customer numbers, handed out inside the transaction that assigns them."""

from __future__ import annotations

from services.identity import store
from services.identity.numbering import rule as numbering
from shared.eventlog.log import Transaction
from shared.events.identity import NumberAssigned


class Serials:
    """The serials of one batch, handed out in its order."""

    def __init__(self, first: int) -> None:
        self._next = first

    @classmethod
    def take(cls, tx: Transaction, count: int) -> Serials:
        """The next `count` serials. They come back if the transaction does, so none is ever missing."""
        return cls(store.take_serials(tx.cursor, numbering.SCOPE, count) if count else 0)

    def assign(self) -> NumberAssigned:
        """The next number."""
        serial, self._next = self._next, self._next + 1
        return NumberAssigned(number=numbering.render(serial), rule=numbering.RULE, serial=serial)
