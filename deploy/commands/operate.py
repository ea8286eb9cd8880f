"""`custlog rebuild` and `custlog parked`: what operators do to read models and to records that were put aside."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.client import Client, connect
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home

CONSUMERS = ("identity", "notifications", "projections")
POLL_SECONDS = 0.3


def rebuild(
    views: Annotated[list[str] | None, typer.Argument(help="Names of views; none means all.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build views anew beside the live ones from the topics, switch to them, and wait until that is done."""
    with steps(quiet=as_json) as tell:
        done = asyncio.run(_rebuild(Home.at(home), views or "all", tell))
    if as_json:
        print_json(done)
    else:
        STDOUT.print(f"Rebuilt: {', '.join(done.get('views', []))}", highlight=False)


async def _rebuild(home: Home, views: list[str] | str, tell: Any) -> dict[str, Any]:
    async with connect(home, "operator", "operator") as client:
        build = (await client.send("POST", "projections", "/ops/rebuild", {"views": views})).json()["id"]
        while True:
            builds = await client.get("projections", "/ops/rebuild")
            made: dict[str, Any] = next(one for one in builds if one["id"] == build)
            if made["error"]:
                raise EmbeddedError(f"The rebuild ended: {made['error']}. The live views are unchanged.")
            if made["state"] != "running":
                return made
            tell(f"Rebuilding: {made['applied']} events")
            await asyncio.sleep(POLL_SECONDS)


def parked(
    redrive: Annotated[bool, typer.Option("--redrive", help="Apply the parked records again, in order.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the records that consumers put aside, or apply them again. Exit code 1 if any stay parked."""
    answers = asyncio.run(_parked(Home.at(home), redrive=redrive))
    if as_json:
        print_json(answers)
    else:
        for service, answer in answers.items():
            STDOUT.print(f"{service}: {answer}", highlight=False)


async def _parked(home: Home, *, redrive: bool) -> dict[str, Any]:
    async with connect(home, "operator", "operator") as client:
        return {service: await _ask(client, service, redrive=redrive) for service in CONSUMERS}


async def _ask(client: Client, service: str, *, redrive: bool) -> Any:
    if redrive:
        return (await client.send("POST", service, "/ops/redrive", {})).json()
    return await client.get(service, "/ops/parked")
