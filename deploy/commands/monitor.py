"""`custlog monitor`: whoever does not trust the operator watches the logs with keys and a memory of their own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import start_http_server

from deploy.auditing import Trust
from deploy.client import running_state
from deploy.commands.audit import KeysOption, WitnessesOption, trusted
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home, State
from deploy.history import database_url
from deploy.monitor.log_watch import LogWatch
from deploy.monitor.memory import Forgotten, Memory, MonitorRuns, open_memory
from deploy.monitor.monitor import Monitor, Round
from deploy.monitor.topic_watch import TopicWatch
from deploy.monitor.view_watch import ViewWatch
from deploy.monitor.witnesses import WitnessAt
from shared import metrics
from shared.audit.keys import AuditKeys
from shared.audit.note import BadKey
from shared.authenticity import Authenticator
from shared.clock import SystemClock
from shared.log import configure


def monitor(
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two rounds.")] = 10.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="One round; exit code 0 only if all is as signed.")] = False,
    keys: KeysOption = None,
    witnesses: WitnessesOption = None,
    witness_urls: Annotated[
        list[str] | None, typer.Option("--witness-url", help="Address of a witness; the system's own if none.")
    ] = None,
    views: Annotated[
        bool, typer.Option("--views", help="Compare the views too: reads all logs each round, needs the system's keys.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="What the monitor remembers; HOME-monitor if none.")
    ] = None,
    whole_every: Annotated[
        float, typer.Option("--whole-every", min=1, help="Seconds after which all is read from its beginning again.")
    ] = 3600.0,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Answer /metrics on this port.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare logs, topics and views with what was signed and with what was seen before, round after round."""
    chosen = Home.at(home)
    configure("monitor", "INFO")
    trust = trusted(chosen, keys, witnesses)
    try:
        with open_memory(folder or chosen.data.with_name(f"{chosen.data.name}-monitor")) as memory:
            watching = _monitor(chosen, trust, memory, witness_urls, views=views, whole_every=whole_every)
            if port is not None:
                start_http_server(port, "127.0.0.1", metrics.REGISTRY)
            last = asyncio.run(_rounds(watching, None if once else every, as_json=as_json))
    except (Forgotten, MonitorRuns) as wrong:
        raise EmbeddedError(f"The monitor cannot go on: {wrong}.") from None
    except OSError as error:
        raise EmbeddedError(f"The monitor cannot go on: {error.strerror or error} ({error.filename}).") from None
    if last.alarms:
        raise EmbeddedError("Not all is as it was signed: keep everything as it is, and find out why.")
    if last.troubles:
        raise EmbeddedError("Not all could be looked at: nothing is known about it.")


async def _rounds(watching: Monitor, every: float | None, *, as_json: bool) -> Round:
    """Until Ctrl-C; a single one without `every`."""
    while True:
        found = await watching.round()
        _show(found, as_json=as_json)
        if every is None:
            return found
        await asyncio.sleep(every)


def _show(found: Round, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
        return
    sizes = ", ".join(f"{log} {verdict.size:,}" for log, verdict in found.logs.items())
    said = "all as signed" if found.ok else f"{len(found.alarms)} alarms, {len(found.troubles)} not looked at"
    lines = [f"{sizes} records, {sum(found.topics.values()):,} in topics: {said}"]
    lines += [f"ALARM {alarm.log} {alarm.kind}: {alarm.sentence}" for alarm in found.new]
    lines += [f"NOT LOOKED AT: {trouble}" for trouble in found.troubles]
    for line in lines:
        STDOUT.print(line, highlight=False, markup=False, soft_wrap=True)


def _monitor(
    home: Home, trust: Trust, memory: Memory, urls: Sequence[str] | None, *, views: bool, whole_every: float
) -> Monitor:
    state = running_state(home)
    postgres, kafka = state.servers["postgres"].url, state.servers["kafka"].url
    at = [WitnessAt.parse(url) for url in urls or _own_witness(state)]
    authenticator = _authenticator(home)
    logs = [
        LogWatch(
            log,
            database_url(postgres, log),
            known,
            witnesses=at,
            witness_keys=trust.witnesses,
            memory=memory,
            clock=SystemClock(),
        )
        for log, known in trust.logs.items()
    ]
    topics = [
        TopicWatch(
            log,
            f"{log}.events",
            bootstrap=kafka,
            url=database_url(postgres, log),
            authenticator=authenticator,
        )
        for log in trust.logs
    ]
    compared = ViewWatch(home) if views else None
    return Monitor(memory, SystemClock(), logs, topics, compared, whole_seconds=whole_every)


def _own_witness(state: State) -> list[str]:
    return [state.servers["witness"].url] if "witness" in state.servers else []


def _authenticator(home: Home) -> Authenticator | None:
    """What checks the codes of relays; without the operator's keys for it records are compared all the same."""
    try:
        relay = AuditKeys.read(home.audit_keys).relay
    except (BadKey, OSError):
        return None
    return None if relay is None else Authenticator(relay)
