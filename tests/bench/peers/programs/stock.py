"""The library eventsourcing as its documentation shows it: an Application that saves aggregates to PostgreSQL.

Loading reads and decodes the domain events; a user's repository.get would apply them to an aggregate besides.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_OID, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.projection import ApplicationSubscription

from tests.bench.peers.programs.talk import serve
from tests.bench.peers.programs.threads import operations

PAGE = 1_000


class Ordered(Aggregate):
    """Its first event carries the sample like all others."""

    @event("Placed")
    def __init__(self, key: str, data: dict[str, Any]) -> None:
        self.key = key
        self.data = data

    @staticmethod
    def create_id(key: str) -> UUID:
        return uuid5(NAMESPACE_OID, key)

    @event("Changed")
    def change(self, data: dict[str, Any]) -> None:
        self.data = data


class Stock:
    most_per_second: ClassVar = {1: 3_500, 100: 250}

    def open(self, sample: dict[str, Any], url: str = "", *, functions: bool = False) -> dict[str, str]:
        parts = urlsplit(url)
        self._sample = sample
        self._open: dict[str, Ordered] = {}
        self._app: Application[UUID] = Application(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": parts.path.lstrip("/"),
                "POSTGRES_HOST": parts.hostname or "",
                "POSTGRES_PORT": str(parts.port),
                "POSTGRES_USER": unquote(parts.username or ""),
                "POSTGRES_PASSWORD": unquote(parts.password or ""),
                "POSTGRES_ENABLE_DB_FUNCTIONS": "y" if functions else "n",
            }
        )
        return {"eventsourcing": metadata.version("eventsourcing"), "psycopg": metadata.version("psycopg")}

    def prepare(self, stream: str, first: int, events: int) -> Ordered:
        """A longer stream is made by several calls in a row for the same aggregate."""
        if first == 1:
            made = Ordered(stream, self._sample)
            events -= 1
            self._open = {stream: made}
        made = self._open[stream]
        for _ in range(events):
            made.change(self._sample)
        return made

    def append(self, prepared: Ordered) -> None:
        self._app.save(prepared)

    def load(self, stream: str) -> int:
        return sum(1 for _ in self._app.events.get(Ordered.create_id(stream)))

    def read_all(self) -> int:
        read, last = 0, None
        while notifications := self._app.recorder.select_notifications(last, PAGE, inclusive_of_start=False):
            for notification in notifications:
                self._app.mapper.to_domain_event(notification)
            read += len(notifications)
            last = notifications[-1].id
        return read

    @contextmanager
    def following(self, seen: Callable[[Hashable], None]) -> Iterator[None]:
        subscription = ApplicationSubscription(self._app, gt=self._app.recorder.max_notification_id())

        def follow() -> None:
            for told, _ in subscription:
                seen((told.originator_id, told.originator_version))

        thread = threading.Thread(target=follow, daemon=True)
        with subscription:
            thread.start()
            yield
            subscription.stop()
        thread.join(5)


if __name__ == "__main__":
    serve(operations(Stock()))
    # Its pools may wait for connections that the stopped subscription still holds.
    os._exit(0)
