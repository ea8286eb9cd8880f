"""`custlog token`: a signed token of the local issuer."""

import asyncio
import sys
from datetime import timedelta
from typing import Annotated

import typer

from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.exporting import issued
from deploy.trail.asker import asker
from shared.access.tokens import issue
from shared.events.access import TokenIssued

PURPOSE = "operate"


def token(
    user: Annotated[str, typer.Option("--user", help="Id of the user the token is for.")],
    role: Annotated[list[str], typer.Option("--role", help="A role of that user; may be given several times.")],
    ttl: Annotated[int, typer.Option("--ttl", min=1, max=86_400, help="Seconds until it expires.")] = 3600,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a token that the services of this system accept. That it was given is recorded before."""
    chosen = Home.at(home)
    if not chosen.jwks_file.exists():
        raise EmbeddedError(f"There is no token issuer in {chosen.keys} yet; run custlog up first.")
    try:
        signed = issue(chosen.keys, user, role, timedelta(seconds=ttl))
    except ValueError as refused:
        raise EmbeddedError(str(refused)) from None
    given = TokenIssued(account=user, roles=tuple(sorted(set(role))), seconds=ttl)
    if chosen.is_locked():
        asyncio.run(issued(chosen, asker(chosen, None).access("TOKEN issue", PURPOSE), given))
    else:
        sys.stderr.write("No system is running, so nothing records that this token was given.\n")
    if as_json:
        print_json({"token": signed, "user": user, "roles": sorted(set(role)), "expires_in": ttl})
    else:
        print(signed)
