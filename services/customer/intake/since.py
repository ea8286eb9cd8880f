"""What happened to a customer since it was registered, as a row of an NDJSON file may tell it in `since`.

Each entry is a command as its address takes it, with its name in `command`, such as
`{"command": "set-address", "occurred_at": "...", "address": {...}}`. A contact point is named by its number in the
order in which the row adds them, from 1, because its id is made here.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from services.customer.domain import customer_commands as commands
from services.customer.domain.command_names import TOLD
from services.customer.domain.customer import contact_id_of
from services.customer.intake.records import BadRow
from shared.errors import FieldError, Invalid
from shared.problem import field_errors

FIELD = "since"


def read(told: Any, customer_id: str) -> Sequence[commands.CustomerCommand]:
    """The commands that a row tells. Raises BadRow for what is no list of commands, Invalid for a wrong one."""
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise BadRow("`since` is no list of commands.")
    return [_command(dict(one), customer_id, at) for at, one in enumerate(told)]


def _command(told: dict[str, Any], customer_id: str, at: int) -> commands.CustomerCommand:
    known = TOLD.get(str(told.pop("command", "")))
    if known is None:
        raise _wrong([FieldError(field="command", message=f"This is none of {', '.join(TOLD)}.")], at)
    number = told.pop("contact", None)
    if isinstance(number, int):
        told["contact_id"] = contact_id_of(customer_id, number)
    try:
        return known.model_validate(told)
    except ValidationError as bad:
        raise _wrong(
            field_errors(bad.errors(include_url=False, include_input=False, include_context=False)), at
        ) from None


def _wrong(errors: Sequence[FieldError], at: int) -> Invalid:
    return Invalid(
        "Correct the named fields and send the row again.",
        errors=[FieldError(field=f"{FIELD}.{at}.{error['field']}", message=error["message"]) for error in errors],
    )
