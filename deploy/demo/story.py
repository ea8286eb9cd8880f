"""One customer's life, as the query API and the log tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy import replay
from deploy.client import Client
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history
from deploy.replay import Life
from deploy.seen import Seen
from shared.access.levels import Level
from shared.as_of import AsOf
from shared.events.envelope import instant

CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Chosen:
    """A customer that was merged, reminded of, and is about to be corrected."""

    customer: str
    number: str
    version: int


async def choose(operator: Client) -> Chosen:
    """The reminded customer whose identity has the most members. EmbeddedError if no reminder fired."""
    fired = (await operator.get("projections", "/agenda", state="fired", limit=CANDIDATES))["items"]
    if not fired:
        raise EmbeddedError("No reminder fired: the demo's data has no birthday in the coming week.")
    best: Any = None
    for reminder in fired:
        identity = await operator.get("projections", f"/customers/{reminder['customer']}")
        if best is None or len(identity["members"]) > len(best["members"]):
            best = identity
    anchor = next(member for member in best["members"] if member["customer"] == best["identity"])
    return Chosen(anchor["customer"], anchor["number"], anchor["version"])


async def correct_the_name(sales: Client, chosen: Chosen) -> None:
    """Somebody in sales corrects the name; the version says what was seen before."""
    await sales.send(
        "PATCH",
        "customer",
        f"/customers/{chosen.customer}",
        {"name": {"full": "Correct Name", "given": "Correct", "family": "Name"}},
        {"If-Match": f'"{chosen.version}"', "Custlog-Channel": "phone"},
    )


async def tell(operator: Client, home: Home, chosen: Chosen, before: datetime, console: Console) -> None:
    """Number, golden record with its sources, timeline, who did what, and the same customer before the correction."""
    identity = await operator.get("projections", f"/customers/{chosen.number}")
    timeline = await operator.get("projections", f"/customers/{chosen.number}/timeline", limit=100)
    with open_history(home) as history:
        earlier = replay.life(history, chosen.customer, AsOf(instant(before), {}))
    source_of = {member["customer"]: member["external_id"] for member in identity["members"]}
    console.print(f"\n[bold]Customer {chosen.number}[/] = {', '.join(source_of.values())}", highlight=False)
    console.print(_golden_table(identity["golden"]["fields"], source_of))
    console.print(_timeline_table(timeline["items"], source_of))
    then = next(field for field in earlier.golden if field.name == "name")
    console.print(
        f"As of {before:%H:%M:%S.%f}, before the correction, the name was {_text(then.value)!r} from {then.source}"
        f" ({len(earlier.events)} events then).\n",
        highlight=False,
    )


def _golden_table(golden: dict[str, Any], source_of: dict[str, str]) -> Table:
    table = _table("Golden record", "field", "value", "from", "why")
    for name, field in sorted(golden.items()):
        shown = field.get("value", field.get("masked", "erased" if field.get("erased") else "not shown"))
        table.add_row(name, escape(_text(shown)), source_of[field["member"]], field["why"])
    return table


def _timeline_table(items: list[dict[str, Any]], source_of: dict[str, str]) -> Table:
    table = _table("Timeline", "recorded", "what", "about", "who", "through")
    for item in sorted(items, key=lambda item: str(item["recorded_at"])):
        actor = item["actor"]
        table.add_row(
            item["recorded_at"][11:23],
            item["type"],
            " ".join(source_of.get(customer, "") for customer in item["customers"]),
            f"{actor['kind']}:{actor['id']}",
            item["channel"],
        )
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def show_life(life: Life, console: Console) -> None:
    """A replayed customer: its state, then the events that made it."""
    instant = "" if life.as_of is None else f" as of {life.as_of}"
    console.print(f"[bold]Customer {life.number}[/]{instant} = {', '.join(life.members)}", highlight=False)
    table = _table("Golden record", "field", "value", "from", "why")
    for field in life.golden:
        table.add_row(field.name, escape(_text(field.value)), field.source, field.why)
    console.print(table)
    events = _table("Events", "position", "recorded", "what", "who", "through", "stream")
    for event in life.events:
        who = f"{event.actor.kind}:{event.actor.id}"
        events.add_row(
            f"{event.log}:{event.position}",
            event.recorded_at,
            f"{event.type}.v{event.version}",
            who,
            event.channel,
            f"{event.stream}@{event.seq}",
        )
    console.print(events)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        if "full" in value:
            return str(value["full"])
        parts = (" ".join(part) if isinstance(part, list) else part for part in value.values() if part)
        return ", ".join(str(part) for part in parts)
    return "" if value is None else str(value)


def show_seen(seen: Seen, console: Console) -> None:
    """Who could see a customer, and who was shown what of it."""
    levels = [level.value for level in Level]
    could = _table("Could see, by the policy of this version", "role", *levels)
    for role, sights in seen.could.items():
        could.add_row(role, *(sights[level] for level in levels))
    console.print(could)
    granted = _table("Had such a role, by tokens of this system's issuer", "position", "account", "roles", "until")
    for grant in seen.granted:
        granted.add_row(f"access:{grant.position}", grant.account, " ".join(grant.roles), grant.until)
    console.print(granted)
    did = _table("Did see", "position", "recorded", "who", "purpose", "through", "operation", "customer", "fields")
    for read in seen.did:
        what = (read.operation, read.customer, " ".join(read.fields))
        did.add_row(f"access:{read.position}", read.recorded_at, read.actor, read.purpose, read.channel, *what)
    console.print(did)
