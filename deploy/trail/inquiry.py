"""A question of somebody to the logs: who asks, what is recorded of it, and the logs, read only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.home import Home
from deploy.history import History, open_history
from deploy.trail.asker import Asker, asker
from shared.access.journal import Access


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question. `access` is what the access log is to be told of it."""

    home: Home
    who: Asker
    access: Access
    history: History


@contextmanager
def inquiry(home: Path | None, token: str | None, operation: str, purpose: str) -> Iterator[Inquiry]:
    """Opens the logs of the system in this home for whoever the token proves.

    EmbeddedError if the token is not good, the purpose is no code, or no system is up: checked in this order.
    """
    chosen = Home.at(home)
    who = asker(chosen, token)
    access = who.access(operation, purpose)
    with open_history(chosen) as history:
        yield Inquiry(chosen, who, access, history)
