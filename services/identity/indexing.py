"""Gives the customers that an earlier build stored the keys that this build makes, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services.identity import records, store
from services.identity.matching.fingerprint import FORM, Evidence
from services.identity.matching.record import Normal
from shared.errors import Unavailable
from shared.eventlog.log import Log
from shared.log import get_logger

BATCH = 200
"""Customers that are indexed in one transaction: the log is locked for one or two tenths of a second."""
REST_SECONDS = 0.2
WAIT_SECONDS = 5.0

_log = get_logger(__name__)


class Indexing:
    """Indexes every customer once in this form. Several processes may run one; they take turns.

    It links nobody: two who share a new key are compared when one of them changes.
    """

    def __init__(self, log: Log, fingerprints: Callable[[Normal], Evidence], form: int = FORM) -> None:
        self._log = log
        self._fingerprints = fingerprints
        self._form = form

    def advance(self, most: int = BATCH) -> bool:
        """Indexes the next `most` customers; True if there are more. Blocks. Raises Unavailable (retry)."""
        with self._log.transaction() as tx:
            # Nothing of a customer may change between what is read of it and its keys.
            tx.lock()
            customers = store.indexed(tx.cursor, self._form, most)
            if customers is None:
                return False
            normals = records.read(tx, customers)
            wanted = {customer: self._fingerprints(normal) for customer, normal in normals.items()}
            store.change_evidence(tx.cursor, store.evidence_of(tx.cursor, customers), wanted)
            store.put_indexed(tx.cursor, self._form, customers[-1] if customers else None)
            return bool(customers)

    async def run(self) -> None:
        """Indexes all customers, then waits to be cancelled; without PostgreSQL it waits for it."""
        more = True
        while more:
            try:
                more = await self._log.in_thread(self.advance)
            except Unavailable as error:
                _log.warning("customers wait to be indexed", error=type(error).__name__)
                await asyncio.sleep(WAIT_SECONDS)
            await asyncio.sleep(REST_SECONDS)
        await asyncio.Event().wait()
