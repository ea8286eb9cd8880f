"""Where events about numbering stand, and how they are appended."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import CustlogError
from shared.eventlog.commit import Commit
from shared.eventlog.log import Transaction
from shared.events.envelope import Cause
from shared.ids import derive


def stream_about(what: str) -> tuple[str, str]:
    """The stream of the rules or of a scope's counter, and the id that stands where others have a customer."""
    about = derive("numbering", what)
    return f"numbering-{about}", about


def cause_for(cause: Cause, *about: object, command: str | None = None) -> Cause:
    """The same cause for one part of a command, with an id of its own."""
    return Cause(
        actor=cause.actor,
        channel=cause.channel,
        purpose=cause.purpose,
        command=command or derive("number", cause.command, *map(str, about)),
        correlation=cause.correlation,
        causation=cause.causation,
        depth=cause.depth,
    )


def appended(tx: Transaction, commits: Sequence[Commit]) -> None:
    """Writes the commits. Raises the first refusal, so that the transaction writes nothing."""
    for answer in tx.append(commits):
        if isinstance(answer, CustlogError):
            raise answer
