"""`python -m tests.faults.plants.trials.on_postgresql PLANT LOG_URL KEYRING_URL FOLDER`: a log with a bug, or `none`.

Prints, as JSON, the answers to a few commands and what the database holds afterwards.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import psycopg

from shared.errors import CustlogError
from shared.eventlog.commit import Append, Commit, digest
from shared.eventlog.log import Log
from shared.ids import derive
from tests.faults.plants import PLANTS
from tests.support.logs import cause, registered, running_keyring, running_log

HELD = (
    "SELECT originator_id, originator_version, notification_id FROM events ORDER BY 1, 2",
    "SELECT key, owner FROM reservations ORDER BY 1",
    "SELECT count(*) FROM commands",
)


def _registration(command: str, customer: str, expected: int = 0, *reserve: str) -> Commit:
    subject = derive("trial", customer)
    append = Append(f"customer-{customer}", subject, expected, (registered(),))
    return Commit(cause(derive("command", command)), (append,), digest(b"body"), {"id": customer}, reserve)


COMMITS = (
    _registration("one", "ada", 0, "source:crm:1"),
    _registration("one", "ada-again", 0, "source:crm:1"),
    _registration("two", "bob", 0, "source:crm:1"),
    _registration("three", "ada", 5),
    _registration("four", "cy", 0, "source:crm:2"),
)


async def _answers(log: Log) -> list[object]:
    answers: list[object] = []
    for commit in COMMITS:
        try:
            committed = await log.commit(commit)
        except CustlogError as refused:
            answers.append(type(refused).__name__)
        else:
            answers.append([committed.position, dict(committed.result), committed.replayed])
    return answers


def main() -> None:
    plant, url, keyring_url, folder = sys.argv[1:]
    if plant != "none":
        PLANTS[plant].apply()
    with running_keyring(keyring_url, Path(folder)) as keyring, running_log("customer", url, keyring) as log:
        answers = asyncio.run(_answers(log))
    with psycopg.connect(url) as connection:
        held = [connection.execute(statement).fetchall() for statement in HELD]
    print(json.dumps([answers, held]))


if __name__ == "__main__":
    main()
