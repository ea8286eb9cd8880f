"""The ticket aggregate: opened, answered any number of times, resolved, perhaps reopened."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias, assert_never

from services.customer.domain.command import Code, Command, Paragraph
from shared.errors import Conflict, NotFound
from shared.eventlog.decider import Decider
from shared.events import customer as events
from shared.events.envelope import Contract


class OpenTicket(Command):
    """Record what the customer asks for."""

    topic: Code
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    summary: Paragraph


class AnswerTicket(Command):
    """Record an answer to the customer."""

    text: Paragraph


class ResolveTicket(Command):
    """Say how it ended."""

    resolution: Code


class ReopenTicket(Command):
    """Say that it did not end after all."""

    reason: Code


TicketCommand: TypeAlias = OpenTicket | AnswerTicket | ResolveTicket | ReopenTicket


@dataclass(frozen=True, slots=True)
class Ticket:
    """State of one ticket."""

    id: str
    status: Literal["new", "open", "resolved"] = "new"
    answers: int = 0


def decider(ticket_id: str) -> Decider[Ticket, TicketCommand]:
    """The decider of one ticket stream."""
    return Decider(Ticket(ticket_id), decide, evolve)


def decide(state: Ticket, command: TicketCommand, now: datetime) -> Sequence[Contract]:  # noqa: ARG001 - Decider's shape
    """The events a command makes. Raises NotFound or Conflict (rejected)."""
    if isinstance(command, OpenTicket):
        if state.status != "new":
            raise Conflict(f"Ticket {state.id} is open already.")
        opened = events.TicketOpened(
            ticket_id=state.id, topic=command.topic, priority=command.priority, summary=command.summary
        )
        return (opened,)
    if state.status == "new":
        raise NotFound(f"There is no ticket {state.id}.")
    match command:
        case AnswerTicket():
            _check(state, "open")
            return (events.TicketAnswered(ticket_id=state.id, text=command.text),)
        case ResolveTicket():
            _check(state, "open")
            return (events.TicketResolved(ticket_id=state.id, resolution=command.resolution),)
        case ReopenTicket():
            _check(state, "resolved")
            return (events.TicketReopened(ticket_id=state.id, reason=command.reason),)
        case _:
            assert_never(command)


def evolve(state: Ticket, event: Contract) -> Ticket:
    """The state after one more event; events of other aggregates change nothing."""
    match event:
        case events.TicketOpened() | events.TicketReopened():
            return replace(state, status="open")
        case events.TicketAnswered():
            return replace(state, answers=state.answers + 1)
        case events.TicketResolved():
            return replace(state, status="resolved")
        case _:
            return state


def _check(state: Ticket, needed: Literal["open", "resolved"]) -> None:
    if state.status != needed:
        raise Conflict(f"Ticket {state.id} is {state.status}; this needs it to be {needed}.")
