"""The shape of a pure aggregate: decide what happens, evolve from what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from shared.events.envelope import Contract

S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C]):
    """`decide(state, command, now)` answers events or raises a CustlogError; `evolve(state, event)` never fails."""

    initial: S
    decide: Callable[[S, C, datetime], Sequence[Contract]]
    evolve: Callable[[S, Contract], S]

    def fold(self, events: Iterable[Contract]) -> S:
        """The state after these events."""
        state = self.initial
        for event in events:
            state = self.evolve(state, event)
        return state
