"""The erasure of a customer: requested by one person, approved by another, never while a hold is active. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import assert_never

from services.customer.domain import erasure_commands as commands
from services.customer.domain.command import invalid
from services.customer.domain.customer_state import Customer
from shared.errors import Conflict, Forbidden
from shared.events import customer as events
from shared.events.envelope import Contract, Recorded
from shared.ids import derive


def decide(state: Customer, command: commands.ErasureCommand, now: datetime) -> Sequence[Contract]:
    """The events of a command about erasure, none if it changes nothing. Raises Conflict or Invalid (rejected).

    What is approved already is asked for and approved without effect. That the one who approves is another than the one
    who asked is not in the state: see `check_second_person`.
    """
    match command:
        case commands.RequestErasure():
            return (events.ErasureRequested(reason=command.reason),) if state.erasure == "none" else ()
        case commands.ApproveErasure():
            return _approve(state, now)
        case commands.RecordErasure() | commands.RecordFormerErasure():
            return _record(state, command)
        case _:
            check_not_erased(state)
    match command:
        case commands.RefuseErasure():
            _check_requested(state)
            return (events.ErasureRefused(reason=command.reason),)
        case commands.PlaceHold():
            return _place(state, command, now)
        case commands.LiftHold():
            hold = state.holds.get(command.hold_id)
            if hold is None:
                raise invalid("hold_id", "The customer has no such hold.")
            return () if hold.lifted else (events.HoldLifted(hold_id=command.hold_id),)
        case _:
            assert_never(command)


def check_not_erased(state: Customer) -> None:
    """Conflict once the erasure is approved: a key that is about to be destroyed seals nothing new."""
    if state.erasure in ("approved", "done"):
        raise Conflict(f"Customer {state.id} was erased; nothing can be recorded about it any more.")


def check_second_person(history: Iterable[Recorded], command: object, actor: str) -> None:
    """Forbidden if somebody approves what they requested themselves. `history` is the customer's stream."""
    if not isinstance(command, commands.ApproveErasure):
        return
    requests = [event.actor.id for event in history if isinstance(event.data, events.ErasureRequested)]
    if requests and requests[-1] == actor:
        raise Forbidden("You requested this erasure; somebody else has to approve it.")


def _approve(state: Customer, now: datetime) -> Sequence[Contract]:
    if state.erasure in ("approved", "done"):
        return ()
    _check_requested(state)
    active = sorted(hold_id for hold_id, hold in state.holds.items() if hold.active(now.date()))
    if active:
        raise Conflict(f"Customer {state.id} is held by {', '.join(active)}; approve when no hold is active any more.")
    return (events.ErasureApproved(),)


def _record(state: Customer, command: commands.RecordErasure | commands.RecordFormerErasure) -> Sequence[Contract]:
    if state.erasure == "done":
        return ()
    if state.erasure != "approved" and isinstance(command, commands.RecordErasure):
        raise Conflict(f"The erasure of customer {state.id} is not approved.")
    return (events.CustomerErased(),)


def _check_requested(state: Customer) -> None:
    if state.erasure != "requested":
        raise Conflict(f"There is no open request to erase customer {state.id}.")


def _place(state: Customer, command: commands.PlaceHold, now: datetime) -> Sequence[Contract]:
    if command.until is not None and command.until < now.date():
        raise invalid("until", "This is in the past.")
    for hold in state.holds.values():
        if not hold.lifted and (hold.reason, hold.until) == (command.reason, command.until):
            return ()
    hold_id = derive("hold", state.id, str(len(state.holds) + 1))
    return (events.HoldPlaced(hold_id=hold_id, reason=command.reason, until=command.until),)
