"""`custlog survivorship`: by which rules the golden record chooses between values."""

import asyncio
import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.client import connect
from deploy.commands.instants import instant
from deploy.commands.options import HomeOption, JsonOption, UserOption, UserTokenOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.home import Home
from deploy.history import open_history
from deploy.survivorship import preview as previewed
from deploy.survivorship import read_policy
from services.projections.views.survivorship import DEFAULT, edition_of, in_force
from shared.as_of import parse
from shared.clock import SystemClock
from shared.events.envelope import instant as told
from shared.events.survivorship import Policy

STEWARD = "manager"
"""The role for which the local issuer makes a token, if none is given."""
FileArgument = Annotated[Path, typer.Argument(help="The policy, as TOML or JSON.")]


def show(
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="An instant, as 2026-11-22T09:00:00Z, or positions, as customer:120.")
    ] = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the survivorship policies of the log, and which one is, or was, in force."""
    with open_history(Home.at(home)) as history:
        then = None if as_of is None else history.as_of(parse(as_of))
        editions = [edition_of(event) for event in history.policies(then)]
    holds = in_force(editions, told(SystemClock().now()) if then is None else then.instant)
    known = (DEFAULT, *editions)
    if as_json:
        policies = [{"policy": one.label, "since": one.since or None, "content": _content(one.policy)} for one in known]
        print_json({"in_force": holds.label, "policies": policies})
        return
    for one in known:
        _line(f"policy {one.label}, since {one.since or 'the beginning'}{'  <- in force' if one is holds else ''}")
        for name, rule in {"default": one.policy.default, **one.policy.fields}.items():
            sources = f"; sources: {', '.join(rule.sources)}" if rule.sources else ""
            _line(f"  {name}: {' > '.join(rule.order)}{sources}")
        for name, fields in one.policy.together.items():
            _line(f"  together as {name}: {', '.join(fields)}")


def put(
    file: FileArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded with the policy.")],
    *,
    since: Annotated[
        str | None, typer.Option("--from", help="The instant from which on it holds; now without.")
    ] = None,
    user: UserOption = None,
    token: UserTokenOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the survivorship policy, from now or a later instant on. Nothing is rebuilt: it holds when it begins."""
    body: dict[str, Any] = {"policy": _content(read_policy(file)), "reason": reason}
    if (begins := instant(since, "--from")) is not None:
        body["effective_from"] = told(begins)
    version = asyncio.run(_send(Home.at(home), user or getpass.getuser(), token, body))
    if as_json:
        print_json({"policy": str(version), "effective_from": body.get("effective_from")})
    else:
        _line(f"The survivorship policy is number {version} from {body.get('effective_from', 'now')} on.")


async def _send(home: Home, user: str, token: str, body: dict[str, Any]) -> int:
    async with connect(home, user, STEWARD, token=token) as client:
        sent = await client.send("POST", "customer", "/survivorship/policies", body, {"Custlog-Channel": "console"})
        return int(sent.json()["version"])


def preview(file: FileArgument, *, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Tell how many golden records a policy would change, without setting it. Reads the whole log."""
    policy = read_policy(file)
    with open_history(Home.at(home)) as history, steps(quiet=as_json) as say:
        say("reading the logs")
        events = history.all_events(history.heads())
        found = previewed(events, policy, told(SystemClock().now()))
    if as_json:
        print_json(asdict(found))
        return
    _line(f"{found.changed} of {found.identities} identities would change, compared with policy {found.against}.")
    for field, count in found.fields.items():
        _line(f"  {field}: {count}")
    if found.some:
        _line(f"  such as {', '.join(found.some)}")


def _content(policy: Policy) -> dict[str, Any]:
    return policy.model_dump(mode="json", exclude_defaults=True)


def _line(text: str) -> None:
    STDOUT.print(text, highlight=False, markup=False, soft_wrap=True)
