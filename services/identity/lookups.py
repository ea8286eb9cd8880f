"""Finding customers by a phone number, an e-mail address or an identifier, without an index that shows any."""

from __future__ import annotations

from dataclasses import dataclass

from services.identity import store
from services.identity.matching.lookup import Field, token_of, values, wanted
from services.identity.records import open_profile
from shared.eventlog.log import Log


@dataclass(frozen=True, slots=True)
class Hit:
    """A customer who has the value, and the identity it belongs to."""

    customer: str
    identity: str


class Lookups:
    """Questions to the blind index. Every call raises Unavailable (retry)."""

    def __init__(self, log: Log, key: bytes) -> None:
        self._log = log
        self._token = token_of(key)

    async def find(self, field: Field, value: str, kind: str = "") -> list[Hit]:
        """Everybody who has exactly this value, in whatever spelling; nobody for one that is empty."""
        form = wanted(field, value, kind)
        return await self._log.in_thread(lambda: self._find(field, form))

    def _find(self, field: Field, form: str) -> list[Hit]:
        with self._log.transaction() as tx:
            candidates = store.customers_with(tx.cursor, self._token(field, form))
            profiles = store.profiles(tx.cursor, candidates)
            state = store.identities(tx.cursor, candidates)
        keys = self._log.keyring.fetch(candidates)
        return [
            Hit(customer, state.identity(customer))
            for customer, profile in sorted(profiles.items())
            if (field, form) in set(values(open_profile(profile, keys)))
        ]
