"""Logs in real databases that hold given events, for what reads logs past the services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from deploy.history import History
from shared.events.catalogue import LOGS
from shared.events.envelope import Recorded
from shared.privacy.keyring import Keyring
from tests.projections.stage import Wire
from tests.support.logs import running_log

_INSERT = """
INSERT INTO events (originator_id, originator_version, topic, state, notification_id, customer)
VALUES (%s, %s, %s, %s, %s, %s)"""


@contextmanager
def history_of(events: Iterable[Recorded], keyring: Keyring, postgres_url: Callable[[str], str]) -> Iterator[History]:
    """The events as records of one log each, sealed with keys of this keyring, read as an auditor does."""
    wire = Wire(keyring, {log: log for log in LOGS})
    told = list(events)
    with ExitStack() as stack:
        connections = {}
        for log in LOGS:
            url = postgres_url(log)
            with running_log(log, url, keyring):
                connections[log] = stack.enter_context(psycopg.connect(url, autocommit=True))
        for event in told:
            (record,) = wire.put([event])
            row = (event.stream, event.seq, f"{event.type}.v{event.version}", record.value, event.position)
            connections[event.log].execute(_INSERT, (*row, event.customer))
        yield History(connections, keyring)
