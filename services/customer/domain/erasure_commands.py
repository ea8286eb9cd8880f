"""The commands around a customer's erasure; each is the body of one request. None takes free text."""

from typing import TypeAlias

from services.customer.domain.command import Code, Command, Day, Id


class RequestErasure(Command):
    """Ask that everything personal about the customer is erased; somebody else has to approve it."""

    reason: Code


class RefuseErasure(Command):
    """Turn the open request down, and say why."""

    reason: Code


class ApproveErasure(Command):
    """Approve what somebody else requested. The customer takes no command from here on, and there is no way back."""


class PlaceHold(Command):
    """Say that the customer's data have to be kept, to the end of the day `until` (UTC) or until the hold is lifted."""

    reason: Code
    until: Day | None = None


class LiftHold(Command):
    """Say that a hold is over before its day."""

    hold_id: Id


class RecordErasure(Command):
    """Say that the data key is destroyed. Only the eraser says it; no request carries it."""


class RecordFormerErasure(Command):
    """Say that the data key was destroyed before an older backup of the log was restored, which does not know of it.

    Only the eraser says it, of who is in the ledger of erasures; no request carries it.
    """


ErasureCommand: TypeAlias = (
    RequestErasure | RefuseErasure | ApproveErasure | PlaceHold | LiftHold | RecordErasure | RecordFormerErasure
)
