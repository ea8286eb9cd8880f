"""The main job: dirty records of two sources become customers with numbers, merged, reminded of, and provable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy import client, replay
from deploy.client import Client
from deploy.demo import febrl, pairs, story
from deploy.demo.febrl import Dataset, SourceFile
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history

REMINDER_DAYS = 7


@dataclass(slots=True)
class Result:
    """What the last line of `custlog demo` says."""

    rows: int = 0
    customers: int = 0
    identities: int = 0
    numbers: int = 0
    events: int = 0
    lag: int = 0
    parked: int = 0
    views_equal_fold: bool = False
    pairs: dict[str, float] = field(default_factory=dict)
    reminders: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    rows_per_second: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def run(home: Home, console: Console, setup_seconds: float, limit: int | None = None) -> Result:
    """The whole job on a running system whose notifications service has a test clock.

    Raises EmbeddedError with a sentence when a step does not end as it must.
    """
    result = Result(seconds={"setup": round(setup_seconds, 2)})
    data = febrl.load(limit)
    with _bars(console) as bars:
        async with client.connect(home, "importer", "import") as importer:
            await _import(importer, data, result, bars)
    async with (
        client.connect(home, "operator", "operator", "auditor", "admin") as operator,
        client.connect(home, "u1", "sales", "manager") as sales,
    ):
        await _remind(operator, console)
        chosen = await story.choose(operator)
        before = datetime.now(UTC)
        await story.correct_the_name(sales, chosen)
        await client.caught_up(operator)
        await _check(home, data, operator, result, console)
        await story.tell(operator, home, chosen, before, console)
    return result


async def _import(importer: Client, data: Dataset, result: Result, bars: Progress) -> None:
    rows = sum(file.rows for file in data.files)
    importing = bars.add_task("rows taken", total=rows)
    catching_up = bars.add_task("events behind", total=None)
    started = time.perf_counter()
    refused = sum(
        await asyncio.gather(*(import_file(importer, file, lambda: bars.advance(importing)) for file in data.files))
    )
    result.seconds["import"] = round(time.perf_counter() - started, 2)
    if refused:
        raise EmbeddedError(f"{refused} of {rows} rows were refused; the demo's data must all be taken.")
    await client.caught_up(
        importer, tell=lambda now: bars.update(catching_up, description=f"events behind: {now.behind}")
    )
    elapsed = time.perf_counter() - started
    bars.update(catching_up, total=1, completed=1)
    result.rows = rows
    result.seconds["caught_up"] = round(elapsed, 2)
    result.rows_per_second = round(rows / elapsed, 1)


async def import_file(importer: Client, file: SourceFile, row_done: Callable[[], object]) -> int:
    """Sends one source file; answers how many rows were refused."""
    refused = 0
    headers = importer.headers({"Content-Type": "text/csv", "Idempotency-Key": f"demo-{file.source}"})
    request = importer.http.stream(
        "POST",
        importer.url("customer", "/intake"),
        params={"source": file.source},
        content=file.content,
        headers=headers,
    )
    async with request as answer:
        if answer.is_error:
            reason = orjson.loads(await answer.aread()).get("detail", "")
            raise EmbeddedError(f"The import of {file.source} was refused: {answer.status_code} {reason}")
        async for line in answer.aiter_lines():
            row = orjson.loads(line)
            if "row" in row:
                row_done()
                refused += row["status"] >= 400
    return refused


async def _remind(operator: Client, console: Console) -> None:
    """Moves the test clock a week on, so that this week's birthdays come due, and lets them fire."""
    until = datetime.now(UTC) + timedelta(days=REMINDER_DAYS)
    await operator.send("PUT", "notifications", "/clock", {"now": until.isoformat()})
    await operator.send("POST", "notifications", "/timers/run", {})
    await client.caught_up(operator)
    console.print(f"The clock of reminders moved to {until:%Y-%m-%d}.", highlight=False)


async def _check(home: Home, data: Dataset, operator: Client, result: Result, console: Console) -> None:
    now = await client.progress(operator)
    result.lag, result.parked = now.behind, now.parked
    with open_history(home) as history:
        checked = await replay.check(history, operator.state)
    result.events = sum(checked.heads.values())
    result.views_equal_fold = checked.equal
    result.customers = checked.counts["customer.registered"]
    result.numbers = checked.counts["identity.number_assigned"]
    result.reminders = {fact: checked.counts[f"reminder.{fact}"] for fact in ("planned", "fired", "cancelled")}
    result.identities = len(checked.folded["customer"])
    clusters = {
        (member["source"], member["external_id"]): identity
        for identity, document in checked.folded["customer"].items()
        for member in document["members"]
    }
    result.pairs = asdict(pairs.score(clusters, data.truth))
    for line in checked.lines():
        console.print(line, highlight=False)
    console.print(f"reminders {result.reminders}", highlight=False)


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
