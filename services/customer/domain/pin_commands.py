"""The commands by which a steward decides what stands in the golden record; each is the body of one request."""

from typing import TypeAlias

from services.customer.domain.command import Code, Command
from shared.events.survivorship import GoldenField


class PinValue(Command):
    """Hold the value that the customer has there now in the golden record, whatever other values come.

    Fields: `name`, `birth_date`, `phone:<contact id>` (also `email`, `social`), `address:<usage>`,
    `classification:<scheme>`, `extension:<field>`.
    """

    field: GoldenField
    reason: Code


class UnpinValue(Command):
    """Let the golden record choose again."""

    field: GoldenField
    reason: Code


PinCommand: TypeAlias = PinValue | UnpinValue
