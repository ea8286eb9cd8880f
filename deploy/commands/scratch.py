"""`custlog scratch`: views as of an instant that lie beside the live ones."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.client import running_state
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.reconstruction import views_store
from services.projections.scratch import Scratch


def scratch(
    drop: Annotated[list[str] | None, typer.Option("--drop", help="Remove this one; may be repeated.")] = None,
    *,
    drop_all: Annotated[bool, typer.Option("--drop-all", help="Remove all of them.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the views as of an instant that were made and are still there, or remove them."""
    left = asyncio.run(_scratch(Home.at(home), drop or [], drop_all=drop_all))
    if as_json:
        print_json({"builds": left})
        return
    for build in left:
        views = ", ".join(build["views"])
        until = "until it is dropped" if build["until"] is None else f"until {build['until']}"
        STDOUT.print(
            f"{build['id']} {build['state']}: {views} as of {build['as_of']}, {build['applied']} events, {until}",
            highlight=False,
            soft_wrap=True,
        )
    if not left:
        STDOUT.print("There are none.", highlight=False)


async def _scratch(home: Home, drop: list[str], *, drop_all: bool, database: str = "custlog") -> list[dict[str, Any]]:
    async with views_store(running_state(home), database) as store:
        scratch = Scratch(store)
        known = {row["_id"] for row in await scratch.builds()}
        if unknown := sorted(set(drop) - known):
            raise EmbeddedError(f"There is no scratch build {', '.join(unknown)}; custlog scratch lists them.")
        await scratch.drop(known if drop_all else drop)
        return [{"id": row.pop("_id"), **row} for row in await scratch.builds()]
