"""Batches of records into the views: one MongoDB transaction with their positions and what had to be parked."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from services.projections.fold import FoldFailed, fold_view
from services.projections.portions import Portions
from services.projections.scratch import Scratch
from services.projections.store import Collections, Incomplete, OtherEpoch, Store, TooLarge
from services.projections.views.membership import moves_of
from services.projections.views.view import WorkingSet
from shared import metrics
from shared.consumer import PARKED_CAP, SHOWN_KEYS, too_many_parked
from shared.crash import crash_here
from shared.decoding import Decoded, Decoder, follow
from shared.events.customer import CustomerErased
from shared.events.envelope import Recorded
from shared.inbox import Places, plan_again
from shared.log import get_logger
from shared.privacy.keyring import Keyring
from shared.streaming import Plan, Source, plan

NAME = "projections"
Heavy: TypeAlias = Mapping[str, Collection[str]]
_log = get_logger(__name__)


class Purged(Exception):
    """A subject was erased since the events were opened. Fate: the batch is opened again."""

    def __init__(self, purges: Mapping[str, int]) -> None:
        super().__init__()
        self.purges = purges


@dataclass(frozen=True, slots=True)
class Opened:
    """The events of a batch, and how many purges each of its sources had seen before they were opened."""

    decoded: Decoded
    purges: Mapping[str, int]


def erased_in(events: Sequence[Recorded]) -> list[str]:
    """The customers whose erasure is among the events."""
    return [event.customer for event in events if isinstance(event.data, CustomerErased)]


class Application:
    """Applies batches, and again what was parked."""

    def __init__(
        self, store: Store, keyring: Keyring, topics: Mapping[str, str], *, parked_cap: int = PARKED_CAP
    ) -> None:
        """`topics` names the log that each topic carries."""
        self.store = store
        self._keyring = keyring
        self._decoder = Decoder(logs=topics)
        self._parked_cap = parked_cap
        self.portions = Portions()
        self._purges: dict[str, int] = {}

    async def take(self, sources: Sequence[Source]) -> Plan:
        """Applies a batch, in parts if it is too much for one transaction, each of them wholly or not at all.

        Raises Incomplete or OtherEpoch (begin anew), Stop (too many parked), Unavailable, Fenced or a pymongo error
        (retry).
        """
        opened = await self._open(sources, dict(self._purges))
        return Plan.joined(await self.portions.each(sources, lambda part: self._take_part(part, opened)))

    async def _take_part(self, sources: Sequence[Source], opened: Opened) -> Plan:
        try:
            done = await self._weighing(lambda session, heavy: self._take(session, sources, opened, heavy))
        except Purged as found:
            # Its events may hold what was taken away, so they are opened again, with the keys that are left.
            self._purges |= found.purges
            return await self._take_part(sources, await self._open(sources, found.purges))
        crash_here("views.after_commit")
        _report(done)
        follow(NAME, opened.decoded, done.apply)
        await self._forget_erased(opened.decoded.of(done.apply))
        return done

    async def _open(self, sources: Sequence[Source], purges: Mapping[str, int]) -> Opened:
        return Opened(await self.decode(sources), purges)

    async def decode(self, sources: Sequence[Source]) -> Decoded:
        """The events of the records. Unavailable if the keyring does not answer."""
        return await asyncio.to_thread(self._decoder.decode, sources, self._keyring)

    async def redrive(self, key: str | None = None) -> dict[str, int]:
        """Applies parked records again, key by key; what fails again stays parked. Answers how many of each."""
        applied = 0
        for waiting in [key] if key is not None else await self.store.inbox.parked_keys():
            done = await self._weighing(partial(self._redrive, waiting))
            applied += len(done.apply)
        return {"applied": applied, "parked": await self.store.inbox.parked_count()}

    async def purge(self, subject: str) -> int:
        """Erases a subject from the views once its key is destroyed. Answers how many documents were looked at.

        A batch that was opened with the key is opened again before it is written. The builds that were kept at the
        last switch are dropped.
        """
        done: int = await self.store.mongo.transaction(partial(self.store.purge, subject=subject))
        await self.store.drop_retired()
        return done

    async def parked(self) -> tuple[int, list[str]]:
        """How many records are parked, and the keys that have waited longest."""
        return await self.store.inbox.parked_count(), await self.store.inbox.parked_keys(limit=SHOWN_KEYS)

    async def _weighing(self, work: Callable[[Any, Heavy], Awaitable[Plan]]) -> Plan:
        """A transaction, once more for each document that it would make too large: the event that does it parks."""
        heavy: dict[str, set[str]] = {}
        while True:
            try:
                done: Plan = await self.store.mongo.transaction(lambda session: work(session, heavy))
            except TooLarge as found:
                _log.error("document would be too large", view=found.view, documents=len(found.ids))
                if found.ids <= heavy.get(found.view, set()):
                    raise
                heavy.setdefault(found.view, set()).update(found.ids)
            else:
                return done

    async def fold_into(
        self, session: Any, collections: Collections, events: Sequence[Recorded], heavy: Heavy = MappingProxyType({})
    ) -> set[str]:
        """Loads, folds and writes. Raises FoldFailed before anything was written, TooLarge for the transaction.

        `heavy` are documents to be weighed after each event, by view; an event that makes one too large fails.

        Answers the customers who were moved before they stood in any document.
        """
        sets = await self.store.load(session, collections, events)
        strangers = {move.customer for event in events for move in moves_of(event)}
        strangers.difference_update(*(working.homes for working in sets.values()))
        await asyncio.to_thread(self._fold, events, sets, heavy)
        await self.store.write(session, collections, sets)
        return strangers

    def _fold(self, events: Sequence[Recorded], sets: Mapping[str, WorkingSet], heavy: Heavy) -> None:
        for name, working in sets.items():
            with metrics.FOLD_SECONDS.labels(name).time():
                fold_view(self.store.views[name], events, working, heavy.get(name, ()))

    async def _take(self, session: Any, sources: Sequence[Source], opened: Opened, heavy: Heavy) -> Plan:
        inbox, decoded = self.store.inbox, opened.decoded
        names = {source.name for source in sources}
        stored = await inbox.positions(session, names)
        if len(stored) < len(names):
            raise Incomplete
        if any(stored[source.name].mark.differs(source.mark) for source in sources):
            raise OtherEpoch
        purges = {name: at.purges for name, at in stored.items()}
        if any(count != opened.purges.get(name, 0) for name, count in purges.items()):
            raise Purged(purges)
        blocked = await inbox.blocked(session, {source.key for source in sources})
        places = Places.of(stored)
        batch = plan(sources, places.positions, blocked, places.marks)
        if batch.foreign:
            raise OtherEpoch
        batch = await self._apply(session, batch, decoded, heavy)
        await self._park(session, batch)
        await inbox.advance(session, batch.positions)
        crash_here("views.before_commit")
        return batch

    async def _apply(self, session: Any, batch: Plan, decoded: Decoded, heavy: Heavy) -> Plan:
        collections = await self.store.active(session)
        batch = decoded.park_failures(batch)
        while batch.apply:
            try:
                events = decoded.of(batch.apply)
                strangers = await self.fold_into(session, collections, events, heavy)
            except FoldFailed as failed:
                _log.error("event cannot be folded", view=failed.view, position=failed.position, exc_info=failed)
                batch = batch.parking(batch.apply[failed.index], str(failed))
            else:
                if strangers:
                    # Another instance may place them just now, in another document: one of the two has to begin again.
                    await self.store.hold_customers(session, strangers)
                for customer in erased_in(events):
                    await self.store.purge(session, customer)
                break
        return batch

    async def _park(self, session: Any, batch: Plan) -> None:
        if not batch.park:
            return
        await self.store.inbox.park(session, batch.park)
        count = await self.store.inbox.parked_count(session)
        if count > self._parked_cap:
            raise too_many_parked(count, self._parked_cap)

    async def _forget_erased(self, events: Sequence[Recorded]) -> None:
        # After the transaction, which cannot drop a collection. Whoever dies before it leaves it to `Consumer.look`.
        if erased_in(events):
            crash_here("views.before_drop_retired")
            await self.store.drop_retired()
            await Scratch(self.store).sweep()

    async def _redrive(self, key: str, session: Any, heavy: Heavy) -> Plan:
        # A batch that plans now sees the key either parked or done, and the views of either build.
        await self.store.hold_positions(session)
        batch = plan_again(await self.store.inbox.take_parked(session, key))
        batch = await self._apply(session, batch, await self.decode(batch.apply), heavy)
        await self.store.inbox.park(session, batch.park)
        crash_here("views.before_redrive_commit")
        return batch


def _report(batch: Plan) -> None:
    for topic, count in Counter(source.topic for source in batch.apply).items():
        metrics.RECORDS_APPLIED.labels(NAME, topic).inc(count)
    for parked in batch.park:
        source = parked.source
        _log.warning("record parked", source=source.name, position=source.position, reason=parked.reason)
