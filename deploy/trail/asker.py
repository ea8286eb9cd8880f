"""Who asks the trail: whoever a token proves, else the account of this machine, which sees nothing but what is general.

Operators of the machine hold every key, so what they may see is a rule for them and no lock: what they ask for is
recorded all the same.
"""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from typing import Annotated

import typer

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.exporting import CHANNEL
from shared.access.journal import Access
from shared.access.policy import allows
from shared.access.tokens import Verifier
from shared.errors import Unauthenticated
from shared.events.envelope import Actor
from shared.ids import uuid7

PURPOSE = "audit"

TokenOption = Annotated[
    str | None,
    typer.Option("--token", envvar="CUSTLOG_TOKEN", help="Token of an auditor; without it no personal values."),
]
PurposeOption = Annotated[str, typer.Option("--purpose", help="What it is needed for; a code, such as a case number.")]


@dataclass(frozen=True, slots=True)
class Asker:
    """An account with its roles."""

    actor: Actor
    roles: frozenset[str]

    def access(self, operation: str, purpose: str = PURPOSE) -> Access:
        """What is recorded of a question. EmbeddedError if the purpose is no code."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}", purpose):
            raise EmbeddedError(f"--purpose {purpose!r} is no code: 1 to 64 of A-Z a-z 0-9 . _ : -")
        return Access(self.actor, CHANNEL, purpose, uuid7(), operation)


def asker(home: Home, token: str | None) -> Asker:
    """Who asks. EmbeddedError if the token is not good, or its roles do not allow audit.read."""
    if token is None:
        return Asker(Actor(id=_account(), kind="user"), frozenset({"operator"}))
    try:
        caller = Verifier.from_file(home.jwks_file, "custlog", "custlog").verify(token)
    except (OSError, ValueError):
        raise EmbeddedError(f"There is no token issuer in {home.keys} yet; run custlog up first.") from None
    except Unauthenticated as refused:
        raise EmbeddedError(str(refused)) from None
    if not allows(caller.roles, "audit.read"):
        raise EmbeddedError(f"None of the roles of {caller.id} allows audit.read; the auditor's role does.")
    return Asker(Actor(id=caller.id, kind=caller.kind), caller.roles)


def _account() -> str:
    """The account that runs this process; not what the environment says of it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
