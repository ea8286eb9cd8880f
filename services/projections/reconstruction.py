"""Views as of an instant, folded from the topics' beginning into scratch builds; the live views are not touched.

The records are those that the live views have taken when it begins, as far as they count as of then; what is parked is
left out, as it is there. Nothing is switched at the end, so nothing is held and no live batch conflicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from services.projections.application import Application
from services.projections.building import Building
from services.projections.fold import FoldFailed
from services.projections.scratch import Lost, Scratch
from services.projections.store import mark
from services.projections.streams import Stalled, Topics
from services.projections.views.view import Document
from shared.as_of import AsOf
from shared.errors import Unavailable
from shared.log import get_logger
from shared.streaming import RecordHead, Source, plan

BATCH = 5_000
SWEEP_SECONDS = 30.0
AGAIN_SECONDS = 5

_head = msgspec.json.Decoder(RecordHead)
_log = get_logger(__name__)


class Unfolded(Exception):
    """A record that the live views took cannot be taken here. Fate: the scratch build is given up."""


class Reconstruction:
    """Makes scratch builds, one at a time in this process."""

    def __init__(self, application: Application, topics: Topics) -> None:
        self._application = application
        self._topics = topics
        self._building = Building()
        self._asked = asyncio.Lock()
        self.scratch = Scratch(application.store)

    async def ensure(self, view: str, as_of: AsOf) -> Document:
        """The scratch build of a view as of then; begun now if there is none. Look at its `state`.

        Raises Unavailable (retry) while this process makes another one, and, once, with the reason if it failed.
        """
        async with self._asked:
            known = await self.scratch.find(view, as_of)
            if known is not None and known["state"] == "failed":
                await self.scratch.drop([known["_id"]])
                raise Unavailable(f"The view could not be made: {known['error']}.", retry_after=AGAIN_SECONDS)
            if known is not None:
                return known
            if self._building.busy:
                raise Unavailable("Another view is being made; ask again when it is done.", retry_after=AGAIN_SECONDS)
            row = await self.scratch.begin([view], as_of)
            self._building.begin(self._run(row, as_of), f"{view} as of {as_of}")
            return row

    async def wait(self) -> None:
        """Waits for the build that this process is making."""
        await self._building.wait()

    async def stop(self) -> None:
        """Gives up the build that this process is making."""
        await self._building.stop()

    async def keep_tidy(self) -> None:
        """Drops what is over, every half minute until cancelled."""
        while True:
            try:
                if dropped := await self.scratch.sweep():
                    _log.info("scratch builds dropped", builds=dropped)
            except Exception as error:  # noqa: BLE001 - MongoDB may be away; the next sweep finds the same
                _log.warning("scratch builds cannot be looked at", error=type(error).__name__)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _run(self, row: Document, as_of: AsOf) -> None:
        build, error = row["_id"], "the service stopped"
        try:
            await self._make(row, as_of)
            error = ""
        except Exception as failed:  # noqa: BLE001 - whatever it is, it ends this build and nothing else
            _log.warning("a view as of an instant failed", build=build, exc_info=failed)
            error = str(failed) if isinstance(failed, Lost | Stalled | Unfolded) else type(failed).__name__
        finally:
            if error:
                await self.scratch.fail(build, error)

    async def _make(self, row: Document, as_of: AsOf) -> None:
        store = self._application.store
        positions: dict[str, int] = {}
        applied = 0
        reached, ends = await store.reached(), await store.next_offsets()
        async with self._topics.read() as reading:
            while sources := await reading.up_to(ends, BATCH):
                batch = plan(sources, positions, ())
                if batch.holes:
                    hole = batch.holes[0]
                    raise Unfolded(f"{hole.topic}/{hole.partition} has a hole after {hole.tracked}")
                positions |= {name: move.position for name, move in batch.positions.items()}
                applied += await self._apply(row, await self._counting(batch.apply, as_of))
                reading.taken(sources)
                await self.scratch.note(row["_id"], applied)
        await self.scratch.finish(row["_id"], reached)
        _log.info("view as of an instant made", build=row["_id"], views=list(row["views"]), applied=applied)

    async def _counting(self, sources: Sequence[Source], as_of: AsOf) -> list[Source]:
        parked = await self._application.store.parked_marks()
        taken = [source for source in sources if mark(source.name, source.position, source.offset) not in parked]
        try:
            return await asyncio.to_thread(lambda: [source for source in taken if _counts(source, as_of)])
        except msgspec.DecodeError as error:
            raise Unfolded("a record that is not parked cannot be read") from error

    async def _apply(self, row: Document, sources: Sequence[Source]) -> int:
        decoded = await self._application.decode(sources)
        for name, offset, *_ in decoded.failures:
            raise Unfolded(f"the record at {name} offset {offset} cannot be read")
        events = decoded.of(sources)
        try:
            await self._application.fold_into(None, row["views"], events)
        except FoldFailed as failed:
            raise Unfolded(str(failed)) from failed
        return len(events)


def _counts(source: Source, as_of: AsOf) -> bool:
    record = _head.decode(source.value)
    return as_of.takes(record.log, source.position, record.recorded_at)
