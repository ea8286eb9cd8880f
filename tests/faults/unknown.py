"""An event of a version that this build does not know, in a log as a newer build would have written it, and one behind
it that every build knows: that one has to wait for the other.
"""

from __future__ import annotations

from typing import ClassVar

from deploy.embedded.home import Home
from shared.eventlog.commit import Append, Commit
from shared.events.customer import Tagged
from shared.events.envelope import Actor, Cause, Contract, General
from shared.ids import uuid7
from tests.support.logs import log_of_system

VERSION = 99
_ACTOR = Actor(id="newer-build", kind="service")


class FromTheFuture(Contract):
    """Nothing in it is sealed: what is wrong is only that nobody knows it."""

    TYPE: ClassVar[str] = "customer.tagged"
    VERSION: ClassVar[int] = VERSION

    tag: General[str]


UNKNOWN = FromTheFuture(tag="future")
KNOWN = Tagged(added=("known",))


def append(home: Home, log_name: str, event: Contract, customer: str, seq: int = 0) -> int:
    """Appends an event to the stream of a customer that no command knows, behind `seq` others; answers its position.

    Blocks. Raises what the log raises while PostgreSQL is away.
    """
    command = uuid7()
    cause = Cause(_ACTOR, "test", "service", command, command, command)
    commit = Commit(cause, (Append(f"customer-{customer}", customer, seq, (event,)),))
    with log_of_system(home, log_name) as log, log.transaction() as tx:
        tx.lock()
        (answer,) = tx.append([commit])
    if isinstance(answer, Exception):
        raise answer
    return answer.position
