"""What the commands of all aggregates have in common, and the kinds of fields they are made of."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.customer.domain.text import CleanParts, Line, Paragraph
from shared.errors import FieldError, Invalid
from shared.events.customer import Address, Identifier, Name
from shared.events.envelope import Code, Currency, Decimal, Id, Word

__all__ = [
    "AddressField",
    "Amount",
    "Code",
    "Command",
    "Currency",
    "Day",
    "Decimal",
    "Id",
    "IdentifierField",
    "Line",
    "Moment",
    "NameField",
    "Paragraph",
    "PastInstant",
    "invalid",
]

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
# Far enough from the end of the calendar that every offset can be taken off.
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _day(value: Any) -> Any:
    # Numbers would be taken for seconds since 1970.
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif value is None or type(value) is date:
        return value
    raise ValueError("This must be a day of the calendar written as YYYY-MM-DD.")


def _moment(value: Any) -> Any:
    if isinstance(value, str | datetime | None):
        return value
    raise ValueError("This must be a time written as 2026-11-22T09:00:00Z.")


def _name_parts(value: Any) -> Any:
    if isinstance(value, str):
        return {"full": value}
    if isinstance(value, dict) and value.get("full") is None:
        parts = [part for part in (value.get("given"), value.get("family")) if isinstance(part, str) and part.strip()]
        if parts:
            return {**value, "full": " ".join(part.strip() for part in parts)}
    return value


class _NameParts(BaseModel):
    """A name in parts; without `full` it is shown as given and family name."""

    full: Word | None = None
    given: Word | None = None
    family: Word | None = None


Day = Annotated[date, BeforeValidator(_day), Field(ge=date(1800, 1, 1))]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), Field(ge=_EARLIEST, le=_LATEST), AfterValidator(_to_utc)]
PastInstant = Moment
"""That it is past is checked where the present is known."""
Amount = Annotated[str, StringConstraints(pattern=r"^(0|[1-9]\d{0,14})(\.\d{1,6})?$")]
NameField = Annotated[Name, CleanParts, BeforeValidator(_name_parts, json_schema_input_type=Word | _NameParts)]
AddressField = Annotated[Address, CleanParts]
IdentifierField = Annotated[Identifier, CleanParts]


class Command(BaseModel):
    """A wish that something may happen, as it comes in a request's body.

    `occurred_at` says when it happened outside, if that was earlier than now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    occurred_at: PastInstant | None = None

    def named_customers(self) -> Iterable[tuple[str, str]]:
        """Field and id of every other customer that the command names; they have to exist."""
        return ()


def invalid(field: str, message: str) -> Invalid:
    """The refusal of one field of a command."""
    return Invalid(
        "Correct the named field and send the request again.", errors=[FieldError(field=field, message=message)]
    )


def check_not_future(command: Command, now: datetime) -> None:
    """Invalid if the command says it happened later than now."""
    if command.occurred_at is not None and command.occurred_at > now:
        raise invalid("occurred_at", "This is in the future.")
