"""A view beside the live one, from the topics' beginning, then in its place while writing goes on.

A build follows the live positions and never passes them, so it applies exactly what the live views applied and leaves
out what is parked there. The last step holds the live positions, takes what is missing and lets the aliases name the
new builds, all in one transaction: a live batch at that moment conflicts, runs again and goes into the new builds.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.projections.application import Application
from services.projections.building import Building
from services.projections.fold import FoldFailed
from services.projections.portions import Portions
from services.projections.store import BUILDS, Collections, Mark, mark
from services.projections.streams import Reading, Stalled, Topics
from shared.crash import crash_here
from shared.errors import Conflict, Invalid
from shared.events.envelope import instant
from shared.ids import uuid7
from shared.log import get_logger
from shared.streaming import Plan, Source, plan

BATCH = 5_000
ATTEMPTS = 3
ABANDONED_AFTER = timedelta(seconds=60)

_log = get_logger(__name__)


class Moved(Exception):
    """Parked records were re-driven, or the views began anew, while the build was made. Fate: build again."""


class Broken(Exception):
    """A record that the live views took cannot be taken by the build. Fate: the build is given up, the views stay."""


@dataclass(slots=True)
class Build:
    """One build and how far it is: positions per source, and the records that are parked and so not in it."""

    collections: Collections
    positions: dict[str, int] = field(default_factory=dict)
    left_out: set[Mark] = field(default_factory=set)
    applied: int = 0

    def took(self, batch: Plan, left_out: set[Mark]) -> None:
        """The batch is written."""
        self.positions |= {name: move.position for name, move in batch.positions.items()}
        self.left_out |= left_out
        self.applied += len(batch.apply)


class Rebuild:
    """Makes builds, one at a time over all instances of the service.

    Whether one is still being made goes by the database's clock, so that no process can write itself a longer life.
    """

    def __init__(self, application: Application, topics: Topics) -> None:
        self._application = application
        self._store = application.store
        self._topics = topics
        self._building = Building()
        self._portions = Portions()

    async def start(self, views: Sequence[str]) -> str:
        """Begins to build these views; answers the id of the build. Conflict while another one is being made."""
        if not views or not set(views) <= set(self._store.views):
            known = ", ".join(self._store.views)
            raise Invalid("Name views to rebuild.", errors=[{"field": "views", "message": f"must be some of {known}"}])
        build = uuid7()
        await self._announce(build, views)
        self._building.begin(self._run(build, list(dict.fromkeys(views))), f"rebuild {build}")
        return build

    async def wait(self) -> None:
        """Waits for the build that this instance is making."""
        await self._building.wait()

    async def stop(self) -> None:
        """Gives up the build that this instance is making."""
        await self._building.stop()

    async def progress(self) -> list[dict[str, Any]]:
        """The last builds, the newest first: id, views, state, applied records, times, error."""
        rows = (
            await self._store.database[BUILDS]
            .find({}, {"running": 0, "purged": 0})
            .sort("_id", DESCENDING)
            .limit(10)
            .to_list(None)
        )
        return [{"id": row.pop("_id"), **row} for row in rows]

    async def keep_current(self, seconds: float = 10.0) -> None:
        """Builds the views of which there is no build in the version of this code, as long as there are some."""
        while True:
            try:
                await self.end_abandoned()
                # Before the first positions there is nothing to build from; whoever reads the topics makes the builds.
                if await self._store.complete() and (outdated := await self._store.outdated()):
                    await self.start(outdated)
                    await self.wait()
            except Conflict:
                _log.info("waiting for another rebuild")
            except PyMongoError as error:
                _log.warning("the views cannot be looked at", error=type(error).__name__)
            await asyncio.sleep(seconds)

    async def end_abandoned(self) -> None:
        """Removes builds whose process died: they may hold what was erased meanwhile."""
        since = instant(await self._store.mongo.now() - ABANDONED_AFTER)
        abandoned = {"running": True, "updated_at": {"$lt": since}}
        for row in await self._store.database[BUILDS].find(abandoned).to_list(None):
            await self._store.drop_build(row["_id"])
            await self._end(row["_id"], "its process ended")

    async def _announce(self, build: str, views: Sequence[str]) -> None:
        await self.end_abandoned()
        builds = self._store.database[BUILDS]
        now = await self._store.mongo.now()
        row = {"_id": build, "running": True, "views": list(views), "state": "running", "applied": 0, "error": None}
        try:
            await builds.insert_one({**row, "started_at": instant(now), "updated_at": instant(now)})
        except DuplicateKeyError:
            raise Conflict("A rebuild is running; see GET /ops/rebuild and try again when it is done.") from None

    async def _run(self, build: str, views: list[str]) -> None:
        error: str | None = "the service stopped"
        try:
            await self._attempt(build, views)
            error = None
        except Exception as failed:  # noqa: BLE001 - whatever it is, it ends this build and nothing else
            _log.error("rebuild failed", build=build, exc_info=failed)
            error = str(failed) if isinstance(failed, Broken | Moved | Stalled) else type(failed).__name__
        finally:
            if error is not None:
                await self._store.drop_build(build)
            await self._end(build, error)

    async def _attempt(self, build: str, views: list[str]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._make(build, attempt, views)
            except (Moved, Stalled, KafkaError) as moved:
                if attempt == ATTEMPTS:
                    raise
                _log.warning("building again", build=build, reason=str(moved))
                await self._store.drop_build(build)
            else:
                return

    async def _make(self, build: str, attempt: int, views: list[str]) -> None:
        await self._store.retire(views)
        await self._store.drop_retired()
        await self._store.database[BUILDS].update_one({"_id": build}, {"$set": {"purged": False}})
        made = Build(await self._store.create([self._store.views[view] for view in views], f"{build}_{attempt}"))
        async with self._topics.read() as reading:
            while sources := await reading.up_to(await self._store.next_offsets(), BATCH):
                await self._portions.each(sources, partial(self._take, made=made))
                reading.taken(sources)
                await self._report(build, made)
            await self._transaction(partial(self._finish, build=build, made=made, reading=reading))
        crash_here("rebuild.after_switch")
        await self._report(build, made)
        _log.info("views switched", build=build, views=views, applied=made.applied)

    async def _take(self, sources: Sequence[Source], *, made: Build) -> None:
        batch = plan(sources, made.positions, ())
        made.took(batch, await self._transaction(partial(self._apply, made=made, batch=batch)))

    async def _transaction(self, work: Callable[..., Any]) -> Any:
        return await self._store.mongo.transaction(work)

    async def _apply(self, session: Any, *, made: Build, batch: Plan) -> set[Mark]:
        if batch.holes:
            raise Broken(f"{batch.holes[0].topic}/{batch.holes[0].partition} has a hole after {batch.holes[0].tracked}")
        parked = await self._store.parked_marks(session)
        left_out = {mark(record.source.name, record.source.position, record.source.offset) for record in batch.park}
        taken = []
        for source in batch.apply:
            place = mark(source.name, source.position, source.offset)
            if place in parked:
                left_out.add(place)
            else:
                taken.append(source)
        decoded = await self._application.decode(taken)
        for name, offset, *_ in decoded.failures:
            raise Broken(f"the record at {name} offset {offset} cannot be read")
        try:
            await self._application.fold_into(session, made.collections, decoded.of(taken))
        except FoldFailed as failed:
            raise Broken(str(failed)) from failed
        return left_out

    async def _finish(self, session: Any, *, build: str, made: Build, reading: Reading) -> None:
        await self._store.hold_positions(session)
        sources = await reading.up_to(await self._store.next_offsets(session))
        batch = plan(sources, made.positions, ())
        left_out = made.left_out | await self._apply(session, made=made, batch=batch)
        reached = made.positions | {name: move.position for name, move in batch.positions.items()}
        if {name: reached.get(name, 0) for name in self._store.sources} != await self._store.positions(session):
            raise Moved("the views began anew")
        if left_out != await self._store.parked_marks(session):
            raise Moved("parked records were re-driven")
        row = await self._store.database[BUILDS].find_one({"_id": build, "running": True}, session=session)
        if row is None:
            # Its collections were dropped, and writing made them again without what they had held.
            raise Broken("the build stood still for so long that another one took it for dead")
        if row.get("purged"):
            raise Moved("a subject was erased")
        await self._store.switch(session, made.collections)
        crash_here("rebuild.before_switch")

    async def _report(self, build: str, made: Build) -> None:
        fields = {"applied": made.applied, "updated_at": instant(await self._store.mongo.now())}
        await self._store.database[BUILDS].update_one({"_id": build}, {"$set": fields})

    async def _end(self, build: str, error: str | None) -> None:
        fields = {"state": "done" if error is None else "failed", "error": error}
        fields["updated_at"] = instant(await self._store.mongo.now())
        await self._store.database[BUILDS].update_one({"_id": build}, {"$set": fields, "$unset": {"running": 1}})
