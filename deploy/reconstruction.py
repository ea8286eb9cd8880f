"""Views as of an instant, folded straight from the logs into scratch builds beside the live views.

The fold is that of the live views. Nothing of a service is asked; an erasure meanwhile ends it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import State
from deploy.history import BATCH, History
from services.projections.application import Application
from services.projections.fold import canonical
from services.projections.scratch import Lost, Scratch
from services.projections.store import Store
from services.projections.views import VIEWS
from services.projections.views.view import Document
from shared.as_of import AsOf
from shared.events.catalogue import FOLDED
from shared.events.envelope import Recorded
from shared.mongo import connect


@dataclass(frozen=True, slots=True)
class Made:
    """One view as of then. `digest` is the SHA-256 of its documents as canonical JSON lines in the order of their ids:
    whoever folds the same logs as of the same instant gets the same."""

    view: str
    documents: int
    digest: str


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """What was made, of how many events; `kept` is the id of the scratch build, None if it was dropped."""

    as_of: str
    events: int
    views: tuple[Made, ...]
    kept: str | None


@asynccontextmanager
async def views_store(state: State, database: str) -> AsyncIterator[Store]:
    """The views of a running system, to build beside them."""
    mongo = connect(state.servers["mongo"].url)
    try:
        yield Store(mongo, database, VIEWS, (), 0)
    finally:
        await mongo.close()


async def reconstruct(
    history: History,
    state: State,
    views: Sequence[str],
    as_of: AsOf,
    *,
    folder: Path | None = None,
    keep: bool = False,
    say: Callable[[str], None] = lambda _: None,
    database: str = "custlog",
) -> Reconstructed:
    """Makes these views, counts and digests their documents, writes them to `<folder>/<view>.jsonl`, and drops them.

    EmbeddedError if a view is unknown, a file cannot be written, or a customer was erased meanwhile: then the files are
    removed, and it has to be begun again.
    """
    if unknown := sorted(set(views) - set(VIEWS)):
        raise EmbeddedError(f"There is no view {', '.join(unknown)}; there are {', '.join(VIEWS)}.")
    async with views_store(state, database) as store:
        scratch = Scratch(store)
        row = await scratch.begin(list(dict.fromkeys(views)), as_of, keep=keep)
        done = False
        try:
            events = await _fold(history, store, row, as_of, say)
            made = tuple([await _told(store, view, name, folder, say) for view, name in row["views"].items()])
            await scratch.still_there(row["_id"])
            done = True
        except Lost as lost:
            raise EmbeddedError(f"The views as of {as_of} could not be made: {lost}.") from None
        finally:
            if not done:
                _remove(folder, row["views"])
            if not (done and keep):
                await scratch.drop([row["_id"]])
    return Reconstructed(str(as_of), events, made, row["_id"] if keep else None)


async def _fold(history: History, store: Store, row: Document, as_of: AsOf, say: Callable[[str], None]) -> int:
    application, scratch = Application(store, history.keyring, {}), Scratch(store)
    heads = {log: head for log, head in history.heads().items() if log in FOLDED}
    applied = 0
    async with aclosing(_batches(history.all_events(heads, as_of))) as batches:
        async for batch in batches:
            await application.fold_into(None, row["views"], batch)
            applied += len(batch)
            await scratch.note(row["_id"], applied)
            say(f"Folded {applied:,} events of at most {sum(heads.values()):,}")
    await scratch.finish(row["_id"], heads)
    return applied


async def _batches(events: Iterator[Recorded]) -> AsyncGenerator[list[Recorded], None]:
    """Reads and opens the next ones while these are written: PostgreSQL and MongoDB are busy at once."""

    def following() -> asyncio.Task[list[Recorded]]:
        return asyncio.create_task(asyncio.to_thread(lambda: list(islice(events, BATCH))))

    coming = following()
    try:
        while batch := await coming:
            coming = following()
            yield batch
    finally:
        await asyncio.wait([coming])


async def _told(store: Store, view: str, collection: str, folder: Path | None, say: Callable[[str], None]) -> Made:
    say(f"Reading the view {view}")
    digest, count = hashlib.sha256(), 0
    with _file(folder, view) as write:
        async for document in store.database[collection].find({}).sort("_id", 1):
            line = canonical(document) + b"\n"
            digest.update(line)
            write(line)
            count += 1
    return Made(view, count, digest.hexdigest())


@contextmanager
def _file(folder: Path | None, view: str) -> Iterator[Callable[[bytes], object]]:
    """What writes the lines of a view; nobody else may read the file. EmbeddedError if it cannot be written."""
    if folder is None:
        yield lambda _: None
        return
    path = _path(folder, view)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file.write
    except OSError as error:
        raise EmbeddedError(f"The view cannot be written to {path}: {error.strerror}.") from None


def _remove(folder: Path | None, views: Iterable[str]) -> None:
    if folder is not None:
        for view in views:
            _path(folder, view).unlink(missing_ok=True)


def _path(folder: Path, view: str) -> Path:
    return folder / f"{view}.jsonl"
