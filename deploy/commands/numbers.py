"""`custlog numbers`: the rules of customer numbers, and the numbers themselves."""

from __future__ import annotations

import asyncio
import csv
import getpass
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from deploy import numbering
from deploy.client import connect
from deploy.commands.options import HomeOption, JsonOption, UserOption
from deploy.commands.output import STDERR, STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history
from services.identity.numbering.rehearsal import Rehearsal, rehearse
from services.identity.numbering.rulebook import RuleSet
from services.identity.numbering.template import BadTemplate
from shared.events.numbering import NumberingRulesSet

FileArgument = Annotated[Path, typer.Argument(help="TOML or JSON with one [[rules]] for each rule.")]
CHANNEL = {"Custlog-Channel": "console", "Custlog-Purpose": "numbering"}
ROLE = "manager"
CHUNK = 500
COLUMNS = ("customer", "number", "kind")
SOURCE = "source:"
"""So begins a customer's source and external id."""


def rules(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every set of numbering rules, and which is in force."""
    told = _send(home, None, "GET", "/numbering/rules")
    if as_json:
        print_json(told)
        return
    for each in told["sets"]:
        mark = "  in force" if each["version"] == told["in_force"] else ""
        _say(f"version {each['version']} from {each['effective_from']}{mark}")
        for rule in each["rules"]:
            when = " ".join(_condition(condition) for condition in rule["when"])
            _say(f"  {rule['id']:<28} {rule['template']}  {when}".rstrip())


def lint(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with rules, beside those that were ever set; nothing is changed."""
    told = _send(home, None, "POST", "/numbering/lint", {"rules": _content(file)})
    if as_json:
        print_json(told)
    else:
        for finding in told["findings"]:
            _say(f"{finding['level']} {finding['rule'] or '(all)'}: {finding['message']}")
        _say("These rules may be set." if told["ok"] else "These rules cannot be set.")
    if not told["ok"]:
        raise typer.Exit(1)


def set_rules(
    file: FileArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why the rules change.")],
    effective_from: Annotated[
        str | None, typer.Option("--from", help="From when on, e.g. 2027-01-01T00:00:00Z; now if it is not given.")
    ] = None,
    *,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the rules for customers who register from now on, or from a later instant."""
    body = {"rules": _content(file), "reason": reason, "effective_from": effective_from}
    told = _send(home, user, "POST", "/numbering/rules", body)
    _tell(told, f"Version {told['version']} holds from {told['effective_from']}.", as_json=as_json)


def dry_run(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Number all customers of the log by these rules, on paper: collisions, gaps, and when each scope is used up."""
    event = NumberingRulesSet(
        version=1, effective_from=datetime(1970, 1, 1, tzinfo=UTC), rules=numbering.read_rules(file), reason="dry run"
    )
    try:
        ready = RuleSet.of(event)
    except (BadTemplate, KeyError, ValueError) as error:
        raise EmbeddedError(f"{file} cannot be tried: {error}. See custlog numbers lint {file}.") from None
    with open_history(Home.at(home)) as history:
        known = numbering.names(history.connections["identity"])
        floors = numbering.floors(history.connections["identity"])
        people = numbering.registrations(history.connections["customer"], known)
    taken = (name for found in known.values() for name in (*found.numbers, *found.aliases))
    told = rehearse(ready, people, taken, datetime.now(UTC), floors)
    if as_json:
        print_json(asdict(told))
    else:
        _say_rehearsal(told)
    if told.collided or told.unnumbered:
        raise typer.Exit(1)


def check(number: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check a number as somebody typed it, and name those that may have been meant."""
    told = _send(home, None, "POST", "/numbers/validate", {"number": number})
    if as_json:
        print_json(told)
    elif told["known"]:
        _say(f"{told['number']} is the {told['state']} number of customer {told['customer']}; {told['current']} now.")
    else:
        _say(f"{told['number']}: {told['reason']}.")
        _say(f"Meant, perhaps: {', '.join(told['suggestions'])}" if told["suggestions"] else "Nothing in use is near.")
    if not told["known"]:
        raise typer.Exit(1)


def capacity(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how many numbers every scope has left, and for how long."""
    told = _send(home, None, "GET", "/numbering/capacity")
    if as_json:
        print_json(told)
        return
    for scope in told["scopes"]:
        _say(_scope(scope))


def take_over(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns customer (an id, number, alias or source:SOURCE:ID), number and kind."
        ),
    ],
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over numbers of an earlier system. Kind is number, former or foreign; serials go on above them."""
    rows = list(_rows(file))
    if not rows:
        raise EmbeddedError(f"{file} holds no rows below its header, so there is nothing to take over.")
    customers = _of_sources(home, {row["customer"] for row in rows if row.get("customer", "").startswith(SOURCE)})
    rows = [row | {"customer": customers[row["customer"]]} if row.get("customer") in customers else row for row in rows]
    _report(home, user, "/numbers/imports", rows, {}, as_json=as_json)


def backfill(
    rule: Annotated[str, typer.Option("--rule", help="The rule by which everybody it fits gets a number.")],
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give customers of the log numbers by a rule, in the order of their registration. May be run again."""
    with open_history(Home.at(home)) as history:
        people = numbering.registrations(history.connections["customer"], {})
    rows = [
        {
            "customer": person.customer,
            "facts": {
                "kind": person.facts.kind,
                "source": person.facts.source,
                "channel": person.facts.channel,
                "classes": dict(person.facts.classes or {}),
                "tags": sorted(person.facts.tags),
            },
        }
        for person in people
    ]
    _report(home, user, "/numbers/assignments", rows, {"rule": rule}, as_json=as_json)


def lease(
    rule: Annotated[str, typer.Argument(help="A rule whose gaps are leases.")],
    count: Annotated[int, typer.Option("--count", min=1, max=10_000)],
    holder: Annotated[str, typer.Option("--holder", help="Who gives the numbers out.")],
    *,
    fact: Annotated[
        list[str] | None, typer.Option("--fact", help="kind=person or class.region=DE; may be repeated.")
    ] = None,
    seconds: Annotated[int, typer.Option("--seconds", min=1, help="For how long.")] = 86_400,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lease a block of numbers to a writer who gives them out elsewhere."""
    body = {"rule": rule, "count": count, "holder": holder, "seconds": seconds, "facts": _facts(fact or [])}
    told = _send(home, user, "POST", "/numbers/leases", body)
    _tell(told, f"Lease {told['lease']}: {told['numbers'][0]} to {told['numbers'][-1]}.", as_json=as_json)


def release(
    lease_id: Annotated[
        str | None, typer.Argument(metavar="[LEASE]", help="None: all leases whose time is over.")
    ] = None,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a lease; what nobody was given is void for ever."""
    told = _send(home, user, "POST", f"/numbers/leases/{f'{lease_id}/release' if lease_id else 'clear'}", {})
    _tell(told, f"{told['voided']} numbers are void.", as_json=as_json)


def _say(text: str) -> None:
    STDOUT.print(text, highlight=False, markup=False, soft_wrap=True)


def _tell(told: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        _say(sentence)


def _condition(condition: dict[str, Any]) -> str:
    wanted, refused = ",".join(condition["is_in"]), ",".join(condition["not_in"])
    return f"{condition['fact']}" + (f"={wanted}" if wanted else "") + (f"!={refused}" if refused else "")


def _scope(scope: dict[str, Any]) -> str:
    mark = "  NEARLY USED UP" if scope["nearly_used_up"] else ""
    return f"{scope['scope']:<32} {scope['used']:>12,} used {scope['left']:>22,} left  {_until(scope)}{mark}"


def _until(scope: dict[str, Any]) -> str:
    if scope["days_left"] is not None:
        return f"{scope['days_left']:.0f} days"
    if scope["period_ends"] is None:
        return "no end in sight"
    return f"enough until its period ends, {str(scope['period_ends'])[:10]}"


def _say_rehearsal(told: Rehearsal) -> None:
    _say(
        f"{told.customers} customers, {told.kept} keep their numbers, {told.gaps} serials held back, "
        f"{told.collided} collisions."
    )
    for rule_id, count in told.by_rule.items():
        _say(f"  {rule_id:<28} {count} numbers, {told.passed_over[rule_id]} passed over")
    for customer, number in told.collisions:
        _say(f"  collision: {number} of {customer} leads to somebody else already")
    for found in told.capacities:
        _say(f"  {_scope(asdict(found))}")


def _content(file: Path) -> list[dict[str, Any]]:
    return [rule.model_dump(mode="json") for rule in numbering.read_rules(file)]


def _facts(given: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"classes": {}, "tags": []}
    for text in given:
        name, _, value = text.partition("=")
        if name.startswith("class."):
            facts["classes"][name.removeprefix("class.")] = value
        elif name == "tag":
            facts["tags"].append(value)
        elif name in {"kind", "source", "channel"}:
            facts[name] = value
        else:
            raise EmbeddedError(f"{name!r} is no fact; there are kind, source, channel, tag and class.SCHEME.")
    return facts


def _rows(file: Path) -> Iterator[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as content:
            reader = csv.DictReader(content)
            absent = {"customer", "number"} - set(reader.fieldnames or ())
            if absent:
                raise EmbeddedError(f"{file} has no column {', '.join(sorted(absent))}; it needs customer and number.")
            for row in reader:
                yield {name: (row.get(name) or "").strip() for name in COLUMNS if row.get(name)}
    except OSError as error:
        raise EmbeddedError(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise EmbeddedError(f"{file} is no CSV in UTF-8: {error}.") from error


def _of_sources(home: Path | None, keys: Collection[str]) -> dict[str, str]:
    if not keys:
        return {}
    with open_history(Home.at(home)) as history:
        return numbering.of_sources(history.connections["customer"], keys)


def _report(
    home: Path | None, user: str | None, path: str, rows: Sequence[Any], more: dict[str, Any], *, as_json: bool
) -> None:
    told = {"rows": len(rows), "changed": 0, "refused": 0}
    for start in range(0, len(rows), CHUNK):
        answer = _send(home, user, "POST", path, {"rows": rows[start : start + CHUNK], **more})
        told["changed"] += answer["changed"]
        told["refused"] += answer["refused"]
        for place, row in enumerate(answer["rows"], start + 1):
            if row["error"]:
                text = f"row {place}, {row['customer'] or 'no customer'}: {row['error']}"
                STDERR.print(text, highlight=False, markup=False, soft_wrap=True)
    _tell(told, f"{told['rows']} rows: {told['changed']} changed, {told['refused']} refused.", as_json=as_json)
    if told["refused"]:
        raise typer.Exit(1)


def _send(home: Path | None, user: str | None, method: str, path: str, body: Any = None) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with connect(Home.at(home), user or getpass.getuser(), ROLE) as client:
            answer: httpx.Response = await client.send(method, "identity", path, body, CHANNEL)
            found: dict[str, Any] = answer.json()
            return found

    return asyncio.run(ask())
