"""What servers keep of data that was deleted, as far as they can be made to let go of it.

MongoDB's operations log holds the documents of views as they were written, in the clear, until newer operations have
pushed them out: operations without effect are written until it has none from before the erasure. PostgreSQL keeps
deleted rows until they are vacuumed; those are sealed, or digests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.embedded.home import State
from deploy.history import database_url

_NOTE_BYTES = 8 * 1024 * 1024
_TIMES = 1.25
"""So often the size of the operations log is written: it drops old operations in portions."""
_WAIT_SECONDS = 90.0
"""So long MongoDB is given to do so: its checkpoints come every minute, in the embedded set-up every 15 seconds."""
_VACUUMED = (
    ("keyring", "data_keys"),
    ("identity", "evidence"),
    ("identity", "profiles"),
    ("notifications", "timers"),
    ("notifications", "deliveries"),
)

Tell = Callable[[str], None]


def sweep(state: State, tell: Tell) -> list[str]:
    """Lets MongoDB and PostgreSQL let go of what was deleted until now. Answers what could not be done, and why."""
    troubles = []
    tell("Pushing old operations out of MongoDB's log")
    try:
        troubles += _roll_operations(state.servers["mongo"].url)
    except PyMongoError as error:
        troubles.append(
            f"MongoDB's operations log keeps what it held until newer operations come: {type(error).__name__}"
        )
    tell("Vacuuming PostgreSQL")
    for name, table in _VACUUMED:
        try:
            with psycopg.connect(database_url(state.servers["postgres"].url, name), autocommit=True) as database:
                database.execute(psycopg.sql.SQL("VACUUM {}").format(psycopg.sql.Identifier(table)))
        except psycopg.Error as error:
            troubles.append(f"the table {table} of {name} was not vacuumed: {type(error).__name__}")
    return troubles


def _roll_operations(url: str) -> list[str]:
    with MongoClient[dict[str, Any]](url) as client:
        operations = client["local"]["oplog.rs"]
        newest = next(operations.find({}, {"ts": 1}).sort("$natural", -1).limit(1))["ts"]
        most = int(client["local"].command("collStats", "oplog.rs")["maxSize"])
        written, deadline = 0, time.monotonic() + _WAIT_SECONDS
        while next(operations.find({}, {"ts": 1}).sort("$natural", 1).limit(1))["ts"] <= newest:
            if time.monotonic() > deadline:
                return ["MongoDB's operations log keeps what it held until newer operations come: it drops none now"]
            if written > _TIMES * most:
                # What a restart would need is kept until the next of the server's own checkpoints; `fsync` makes none
                # that counts. What is too much is dropped when so much is written after that.
                time.sleep(1)
            for _ in range(2):
                client.admin.command("appendOplogNote", data={"erasure": "0" * _NOTE_BYTES})
                written += _NOTE_BYTES
    return []
