"""The interaction aggregate: one contact with the customer, recorded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.customer.domain.command import Code, Command, Paragraph
from shared.errors import Conflict
from shared.eventlog.decider import Decider
from shared.events import customer as events
from shared.events.customer import InteractionKind
from shared.events.envelope import Contract


class RecordInteraction(Command):
    """Record a contact with the customer and what came of it."""

    kind: InteractionKind
    direction: Literal["in", "out"]
    summary: Paragraph | None = None
    outcome: Code | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """State of one interaction."""

    id: str
    recorded: bool = False


def decider(interaction_id: str) -> Decider[Interaction, RecordInteraction]:
    """The decider of one interaction stream."""
    return Decider(Interaction(interaction_id), decide, evolve)


def decide(
    state: Interaction,
    command: RecordInteraction,
    now: datetime,  # noqa: ARG001 - Decider's shape
) -> Sequence[Contract]:
    """The one event. Raises Conflict (rejected) if it is recorded already."""
    if state.recorded:
        raise Conflict(f"Interaction {state.id} is recorded already.")
    return (
        events.InteractionRecorded(
            interaction_id=state.id,
            kind=command.kind,
            direction=command.direction,
            summary=command.summary,
            outcome=command.outcome,
        ),
    )


def evolve(state: Interaction, event: Contract) -> Interaction:
    """The state after one more event; events of other aggregates change nothing."""
    return replace(state, recorded=True) if isinstance(event, events.InteractionRecorded) else state
