"""`custlog backup`, `custlog restore` and `custlog republish`: keeping the logs, and beginning again from them."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from deploy import backup as backups
from deploy.client import running_state
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.exporting import record
from deploy.history import database_url, open_history
from deploy.trail.asker import asker
from shared.access.exports import Export
from shared.epoch import head_of
from shared.events.catalogue import LOGS
from shared.lease import want_anew

PURPOSE = "operate"
_POLL = 0.3
_AT = "SELECT anew, position, epoch FROM relay_position WHERE topic = %s"


def backup(
    to: Annotated[Path, typer.Option("--to", help="A new folder for the backup.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the logs and the keyring of a running system, and check the copy. The key-encryption keys are not in it.

    That a copy leaves is recorded before it is made.
    """
    chosen = Home.at(home)
    with open_history(chosen) as history:
        events = sum(history.heads().values())
    leaving = Export("backup", events, "all logs and the keyring, sealed")
    mark = asyncio.run(record(chosen, asker(chosen, None).access("BACKUP logs", PURPOSE), leaving))
    with steps(quiet=as_json) as tell:
        made = backups.take(chosen, to.absolute(), tell)
    if as_json:
        print_json({"folder": str(to.absolute()), **asdict(made), "watermark": mark})
        return
    STDOUT.print(f"Backup of {sum(made.heads.values())} events in {to}.", highlight=False)
    STDOUT.print(f"The keys in {chosen.keys} are not part of it: keep them elsewhere.", highlight=False)


def restore(
    folder: Annotated[Path, typer.Argument(help="What custlog backup made.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of the data of a system that is down; `custlog up` then rebuilds topics and views."""
    chosen = Home.at(home)
    with steps(quiet=as_json) as tell:
        put = backups.restore(chosen, folder.absolute(), tell)
    if as_json:
        print_json({"home": str(chosen.data), **asdict(put)})
        return
    STDOUT.print(f"Restored the backup of {put.at}; start with custlog up.", highlight=False)
    former = chosen.data / "postgres" / "data.former"
    STDOUT.print(f"What PostgreSQL held before is in {former}: remove it when it is not needed.", highlight=False)


def republish(
    logs: Annotated[list[str] | None, typer.Argument(help="Names of logs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every log.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the topics of logs and publish the logs again from their beginning; the views begin anew from them."""
    chosen = list(LOGS) if every else list(dict.fromkeys(logs or ()))
    if not chosen or not set(chosen) <= set(LOGS):
        raise EmbeddedError(f"Name logs to publish again ({', '.join(LOGS)}), or --all.")
    with steps(quiet=as_json) as tell:
        positions = asyncio.run(_republish(Home.at(home), chosen, tell))
    if as_json:
        print_json({"published": positions})
        return
    for log, position in positions.items():
        STDOUT.print(f"{log}: published from its beginning up to {position}", highlight=False)


async def _republish(home: Home, logs: list[str], tell: Callable[[str], None]) -> dict[str, int]:
    address = running_state(home).servers["postgres"].url
    for log in logs:
        await want_anew(database_url(address, log), f"{log}.events")
    return {log: await _published(home, log, tell) for log in logs}


async def _published(home: Home, log: str, tell: Callable[[str], None]) -> int:
    """Waits until a log is published from its beginning; answers its last position in the topic."""
    while True:
        url = database_url(running_state(home).servers["postgres"].url, log)
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute(_AT, (f"{log}.events",)).fetchone()
        anew, position, epoch = row or (True, 0, "")
        if not anew and position >= head_of(epoch):
            return int(position)
        tell(f"Publishing {log}: " + ("making its topic anew" if anew else f"{position} of {head_of(epoch)}"))
        await asyncio.sleep(_POLL)
