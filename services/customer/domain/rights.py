"""Consent, restriction and objection: what a person says about the use of their data, and the events it makes. Pure."""

from collections.abc import Sequence
from typing import assert_never

from services.customer.domain import rights_commands as commands
from services.customer.domain.customer_state import Consent, Customer
from shared.events import customer as events
from shared.events.envelope import Contract


def decide(state: Customer, command: commands.RightsCommand) -> Sequence[Contract]:
    """The events of a command, none if it was said before. Refuses nothing: a person may always say so."""
    said: Contract
    match command:
        case commands.GiveConsent():
            given = Consent(True, command.text_version)  # noqa: FBT003 - the field is named `given`
            news = state.consents.get((command.purpose, command.channel)) != given
            said = events.ConsentGiven.model_validate(command.model_dump(exclude={"occurred_at"}))
        case commands.WithdrawConsent():
            last = state.consents.get((command.purpose, command.channel))
            news = last is None or last.given
            said = events.ConsentWithdrawn.model_validate(command.model_dump(exclude={"occurred_at"}))
        case commands.RestrictProcessing():
            news, said = not state.restricted, events.ProcessingRestricted(reason=command.reason)
        case commands.LiftRestriction():
            news, said = state.restricted, events.RestrictionLifted(reason=command.reason)
        case commands.RaiseObjection():
            news = command.purpose not in state.objections
            said = events.ObjectionRaised(purpose=command.purpose, reason=command.reason)
        case commands.WithdrawObjection():
            news = command.purpose in state.objections
            said = events.ObjectionWithdrawn(purpose=command.purpose)
        case _:
            assert_never(command)
    return (said,) if news else ()
