"""Events of the access log: who saw personal data, who was let in or refused, and alarms of the audit trail.

An event that is about no customer is about its actor: its `customer` is the id that `about_actor` makes of the
account, so that the chain of that id in the audit tree holds everything about the account and misses nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.events.envelope import Code, Contract, General, Text, Word
from shared.ids import derive

ANONYMOUS = "anonymous"
"""The account of a caller who proved to be nobody."""

Operation = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,10} \S{1,200}$")]
"""Method and route template, such as `GET /customers/{ref}`; never an address, which may hold more."""
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Account = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:|\-]{0,127}$")]


class PersonalDataRead(Contract):
    """An answer showed fields of the customer in the clear; `fields` names those of level sensitive or core.

    Recorded before the answer left. What was masked, hidden or erased is not named.
    """

    TYPE = "access.personal_data_read"
    operation: General[Operation]
    fields: General[tuple[Code, ...]]


class Exported(Contract):
    """Rows left as a file. `watermark` is the id that the file carries."""

    TYPE = "access.exported"
    what: General[Code]
    rows: General[Index]
    watermark: General[Code]
    reason: General[Word]


class LoginFailed(Contract):
    """Requests without a valid token, `count` of them since the last such event; `reason` is the class of refusal."""

    TYPE = "access.login_failed"
    reason: General[Code]
    count: General[Count]


class CommandRefused(Contract):
    """Commands (or forbidden questions) of one account that were refused alike, `count` of them since the last event.

    The envelope is that of the first of them.
    """

    TYPE = "access.command_refused"
    service: General[Code]
    operation: General[Operation]
    status: General[Annotated[int, Field(ge=400, le=599)]]
    problem: General[Code]
    count: General[Count]


class TokenIssued(Contract):
    """The operators' issuer made a token: `account` has these roles for so many seconds. About that account."""

    TYPE = "access.token_issued"
    account: General[Account]
    roles: General[tuple[Code, ...]]
    seconds: General[Count]


class AlarmRaised(Contract):
    """The audit trail does not hold for a log, from index `first` to `last` where that is known."""

    TYPE = "access.alarm_raised"
    log: General[Code]
    kind: General[Code]
    first: General[Index | None] = None
    last: General[Index | None] = None
    sentence: General[Text]


def about_actor(account: str) -> str:
    """The id that stands for an account where an event is about no customer."""
    return derive("actor", account)
