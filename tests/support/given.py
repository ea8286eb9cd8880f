"""Given-when-then for deciders: `given(decider, *events).when(command).then(*events)` or `.refused(Error)`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import CustlogError
from shared.eventlog.decider import Decider
from shared.events.envelope import Contract

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Given:
    """A decider and what happened before."""

    decider: Decider[Any, Any]
    events: tuple[Contract, ...]

    def when(self, command: Any, now: datetime = NOW) -> "When":
        """The command that is decided on."""
        return When(self, command, now)


@dataclass(frozen=True, slots=True)
class When:
    """A decision to look at."""

    given: Given
    command: Any
    now: datetime

    def decided(self) -> tuple[Contract, ...]:
        """The events of the decision, which the state also has to take."""
        decider = self.given.decider
        decided = tuple(decider.decide(decider.fold(self.given.events), self.command, self.now))
        decider.fold((*self.given.events, *decided))
        return decided

    def then(self, *events: Contract) -> None:
        """Exactly these events happen; none means that nothing changes."""
        assert self.decided() == events

    def refused(self, error: type[CustlogError], field: str | None = None) -> None:
        """The command is refused with exactly this error, naming this field."""
        with pytest.raises(error) as refused:
            self.decided()
        assert type(refused.value) is error
        assert [item["field"] for item in refused.value.errors] == ([] if field is None else [field])


def given(decider: Decider[Any, Any], *events: Contract) -> Given:
    """What happened before the command."""
    return Given(decider, events)
