"""Pins: which of the customer's values a steward holds to be the right one. Pure."""

from collections.abc import Sequence
from typing import assert_never

from services.customer.domain import pin_commands as commands
from services.customer.domain.command import invalid
from services.customer.domain.customer_state import Customer, pinnable
from shared.events.envelope import Contract
from shared.events.survivorship import ValuePinned, ValueUnpinned


def decide(state: Customer, command: commands.PinCommand) -> Sequence[Contract]:
    """The event of a command, none if it changes nothing. Invalid (rejected) if the customer has no such value."""
    match command:
        case commands.PinValue():
            if pinnable(state, command.field) is None:
                raise invalid("field", "The customer has no value there that could be pinned.")
            if state.pins.get(command.field):
                return ()
            return (ValuePinned(field=command.field, reason=command.reason),)
        case commands.UnpinValue():
            if command.field not in state.pins:
                return ()
            return (ValueUnpinned(field=command.field, reason=command.reason),)
        case _:
            assert_never(command)
