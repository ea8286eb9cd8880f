"""View `agenda`: one document per reminder, listed by the local date on which it is due.

{_id: reminder, customer, kind, due_at, local_date, zone, assignee, state, message, sealed}

Both dates stand here in the open because the agenda is listed by date; the note stays sealed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.projections.views.sealed import sealed_parts
from services.projections.views.view import Decision, Document, Filter, View, WorkingSet
from shared.events.catalogue import NEWEST
from shared.events.envelope import Erased, Recorded, instant
from shared.events.notifications import MessageFailed, MessageSent, ReminderCancelled, ReminderFired, ReminderPlanned

STATES = ("planned", "fired", "cancelled")

LEVELS: dict[str, Decision] = {
    "reminder.planned.due_at": "open",
    "reminder.planned.local_date": "open",
    "reminder.planned.note": "sealed",
}


def listed(
    first: str | None,
    last: str | None,
    *,
    state: str | None = None,
    assignee: str | None = None,
    after: tuple[str, str] | None = None,
) -> Filter:
    """Filter of the reminders due from `first` to `last`, both included, behind the (local_date, _id) of `after`."""
    # Every state by name: so the index in which each has its reminders by date serves all of them.
    found: Filter = {"state": {"$in": list(STATES)} if state is None else state}
    if assignee is not None:
        found["assignee"] = assignee
    if after is not None:
        day, key = after
        # Says nothing new, but lets the index begin here and not at the first page.
        first = max(first or day, day)
        found["$or"] = [{"local_date": {"$gt": day}}, {"local_date": day, "_id": {"$gt": key}}]
    days = {operator: day for operator, day in (("$gte", first), ("$lte", last)) if day is not None}
    found["local_date"] = {"$type": "string", **days}
    return found


def _fold(working: WorkingSet, event: Recorded) -> None:
    reminder = event.data.reminder_id  # type: ignore[attr-defined]  # every event of this log has one
    document = working.get(reminder)
    if document is None:
        document = _new(reminder, event)
    _CHANGES[event.type](document, event.data, event)
    working.put(document)


def _new(reminder: str, event: Recorded) -> Document:
    return {
        "_id": reminder,
        "customer": event.customer,
        "kind": None,
        "due_at": None,
        "local_date": None,
        "zone": None,
        "assignee": None,
        "state": "planned",
        "state_at": event.occurred_at,
        "message": None,
        "sealed": [],
    }


def _fired(document: Document, data: ReminderFired, event: Recorded) -> None:  # noqa: ARG001
    document.update(state="fired", state_at=event.occurred_at)


def _cancelled(document: Document, data: ReminderCancelled, event: Recorded) -> None:  # noqa: ARG001
    document.update(state="cancelled", state_at=event.occurred_at)


def _sent(document: Document, data: MessageSent, event: Recorded) -> None:
    document["message"] = {"id": data.message_id, "channel": data.channel, "state": "sent", "at": event.occurred_at}


def _failed(document: Document, data: MessageFailed, event: Recorded) -> None:
    document["message"] = {
        "id": data.message_id,
        "channel": data.channel,
        "state": "failed" if data.final else "retrying",
        "error": data.error,
        "attempt": data.attempt,
        "at": event.occurred_at,
    }


def _planned(document: Document, planned: ReminderPlanned, event: Recorded) -> None:
    document["kind"] = planned.kind
    document["zone"] = planned.zone
    document["assignee"] = planned.assignee
    if not isinstance(planned.due_at, Erased):
        document["due_at"] = instant(planned.due_at)
    if not isinstance(planned.local_date, Erased):
        document["local_date"] = planned.local_date.isoformat()
    if planned.note is not None:
        document["sealed"] = sealed_parts(event)


def _wanted(events: Sequence[Recorded]) -> Filter | None:
    keys = {getattr(event.data, "reminder_id", None) for event in events if event.type in _CHANGES}
    return {"_id": {"$in": list(keys)}} if keys else None


def _of_subject(subject: str) -> Filter:
    return {"customer": subject}


def _purge(document: Document, subject: str) -> None:
    if document["customer"] == subject:
        document.update(due_at=None, local_date=None, sealed=[])


_CHANGES: Mapping[str, Callable[[Document, Any, Recorded], None]] = {
    ReminderPlanned.TYPE: _planned,
    ReminderFired.TYPE: _fired,
    ReminderCancelled.TYPE: _cancelled,
    MessageSent.TYPE: _sent,
    MessageFailed.TYPE: _failed,
}

AGENDA = View(
    name="agenda",
    version=2,
    folds=dict.fromkeys(_CHANGES, _fold),
    ignored=frozenset(NEWEST) - frozenset(_CHANGES),
    wanted=_wanted,
    levels=LEVELS,
    indexes=((("state", 1), ("local_date", 1), ("_id", 1)), (("customer", 1),)),
    # Birthdays, most of what is planned, are nobody's: they are not in it.
    partial={(("assignee", 1), ("local_date", 1), ("_id", 1)): {"assignee": {"$gt": ""}}},
    of_subject=_of_subject,
    purge=_purge,
)
