"""One command of the load before it is sent, and who sends it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shared.access.tokens import CallerKind
from tests.faults.world import Known, World

Service: TypeAlias = Literal["customer", "identity", "notifications", "projections"]
Body: TypeAlias = dict[str, Any]
Learn: TypeAlias = Callable[[Any, float], None]
"""Takes the good answer (an import's rows) and the instant, in seconds of the run."""


@dataclass(frozen=True, slots=True)
class User:
    roles: tuple[str, ...]
    kind: CallerKind = "user"


USERS: Mapping[str, User] = {
    "load-sales": User(("sales",)),
    "load-service": User(("service",)),
    "load-manager": User(("manager",)),
    "load-import": User(("import",), "import"),
    "load-viewer": User(("viewer",)),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """When an operation is drawn: in seconds of the run, and by the clock on the wall."""

    at: float
    now: datetime


def learn_nothing(_answer: Any, _at: float) -> None:
    """For what the load does not come back to."""
    return


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked. Equal if the same is asked.

    `may_refuse` are the refusals that are no defect of the mix or the product. `target` is in doubt where the outcome
    is; `along` only has to stand still meanwhile.
    """

    op: str
    service: Service
    user: str
    path: str
    body: Body
    method: str = "POST"
    customer: str | None = None
    expect: int | None = None
    may_refuse: frozenset[int] = frozenset()
    target: Known | None = field(default=None, compare=False)
    along: tuple[Known, ...] = field(default=(), compare=False)
    learn: Learn = field(default=learn_nothing, compare=False)

    @property
    def held(self) -> tuple[Known, ...]:
        return self.along if self.target is None else (self.target, *self.along)


Drawn: TypeAlias = tuple[Operation, ...]
"""Operations to be sent at once; none where the known world has nothing that fits."""
Draw: TypeAlias = Callable[[random.Random, World, Moment], Drawn]
