"""The commands by which a person's rights are carried out; each is the body of one request. None takes free text."""

from typing import TypeAlias

from services.customer.domain.command import Code, Command


class GiveConsent(Command):
    """Record consent to one purpose through one channel, and the text that was agreed to."""

    purpose: Code
    channel: Code
    text_version: Code


class WithdrawConsent(Command):
    """Record that consent to one purpose through one channel is withdrawn, or refused from the start."""

    purpose: Code
    channel: Code
    reason: Code | None = None


class RestrictProcessing(Command):
    """Keep the customer's data and use them for nothing: no rule, no matching, no message, until it is lifted."""

    reason: Code


class LiftRestriction(Command):
    """Take the processing up again, and say why. The person has to be told before."""

    reason: Code


class RaiseObjection(Command):
    """Record that the customer objects to the processing for one purpose."""

    purpose: Code
    reason: Code | None = None


class WithdrawObjection(Command):
    """Record that an objection is taken back."""

    purpose: Code


RightsCommand: TypeAlias = (
    GiveConsent | WithdrawConsent | RestrictProcessing | LiftRestriction | RaiseObjection | WithdrawObjection
)
"""What an archived customer takes too: nobody has to be restored to say no."""
