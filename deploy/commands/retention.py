"""`custlog retention`: what is kept without need, and its end."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from deploy import retention
from deploy.client import connect
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history
from services.customer.domain.retention import POLICIES, Due
from shared.events.envelope import instant

REASON = "retention"
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="An instant, to see who will be due by then.")]


def due(as_of: AsOfOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the customers who are kept longer than the retention table says, the longest due first."""
    now = _now(as_of)
    chosen = Home.at(home)
    with open_history(chosen) as history:
        found = retention.due_now(history, now)
    messages = len(retention.old_messages(chosen.spool, now))
    if as_json:
        print_json({"as_of": instant(now), "customers": [_row(one) for one in found], "messages": messages})
        return
    table = Table("customer", "class", "due since", "state", box=None)
    for one in found:
        table.add_row(one.customer, one.policy, instant(one.since)[:10], one.state)
    STDOUT.print(table)
    STDOUT.print(f"{len(found)} customers and {messages} messages are due.", highlight=False)


def purge(
    user: Annotated[str, typer.Option("--user", help="Id of the user who requests; somebody else has to approve.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Request the erasure of everybody who is due and not held, and delete messages that were taken long ago."""
    now = datetime.now(UTC)
    chosen = Home.at(home)
    with open_history(chosen) as history:
        found = retention.due_now(history, now)
    requested = asyncio.run(_request(chosen, user, [one for one in found if one.state == "due"]))
    messages = retention.old_messages(chosen.spool, now)
    for message in messages:
        message.unlink(missing_ok=True)
    states = Counter(one.state for one in found)
    answer = {
        "requested": requested,
        "held": states["held"],
        "waiting": states["requested"],
        "messages": len(messages),
    }
    if as_json:
        print_json(answer)
    else:
        STDOUT.print(", ".join(f"{name} {count}" for name, count in answer.items()), highlight=False)


def policies() -> list[tuple[str, ...]]:
    """The retention table, as the documentation shows it."""
    return [
        (
            f"`{policy.name}`",
            policy.what,
            f"{policy.years} years" + (" from the end of the year" if policy.from_end_of_year else ""),
            policy.starts,
            policy.ground,
        )
        for policy in POLICIES
    ]


async def _request(home: Home, user: str, due: Sequence[Due]) -> int:
    async with connect(home, user, "service") as client:
        for one in due:
            # The same list again requests nothing twice.
            key = {"Idempotency-Key": f"{REASON}:{one.customer}:{instant(one.since)}", "Custlog-Purpose": REASON}
            body = {"reason": f"{REASON}:{one.policy}"}
            await client.send("POST", "customer", f"/customers/{one.customer}/request-erasure", body, key)
    return len(due)


def _row(one: Due) -> dict[str, str]:
    return {"customer": one.customer, "class": one.policy, "since": instant(one.since), "state": one.state}


def _now(as_of: str | None) -> datetime:
    try:
        chosen = datetime.now(UTC) if as_of is None else datetime.fromisoformat(as_of)
    except ValueError:
        raise EmbeddedError(f"--as-of {as_of!r} is no instant; write it as 2030-01-01T00:00:00Z.") from None
    return chosen if chosen.tzinfo else chosen.replace(tzinfo=UTC)
