"""Why a field is as it is, and what is different between two instants: the answers, before they are printed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deploy.changes.course import Change, Step, changes_between
from deploy.changes.facts import OF_CUSTOMER, OF_IDENTITY, Facts
from deploy.changes.shown import Showing
from deploy.embedded.errors import EmbeddedError
from shared.events.envelope import instant


def why(steps: Sequence[Step], field: str, showing: Showing) -> dict[str, Any]:
    """What holds for a field now and what made it so, then every earlier value, the newest first.

    EmbeddedError if the field was never set.
    """
    turns = [(step, change) for step in steps for change in step.changes if change.field == field]
    if not turns:
        raise EmbeddedError(_never_set(field, steps))
    now = steps[-1].after.get(field)
    history = [_turn(step, change, showing) for step, change in reversed(turns)]
    return {"field": field, "now": showing.fact(field, now), "because": history[0], "before": history[1:]}


def _turn(step: Step, change: Change, showing: Showing) -> dict[str, Any]:
    """One change of a field. The event that decided it may be another than the one that holds the value: a link."""
    holder = showing.holder(change.after)
    set_by = None if holder is None or holder.id == step.event.id else showing.event(holder)
    return {
        "was": showing.fact(change.field, change.before),
        "became": showing.fact(change.field, change.after),
        "event": showing.event(step.event),
        **({"value_from": set_by} if set_by else {}),
    }


def difference(steps: Sequence[Step], since: datetime, until: datetime, showing: Showing) -> dict[str, Any]:
    """Field by field what is different between the two instants, with the events in between that changed it.

    EmbeddedError if there is no customer yet at the later one.
    """
    before, after = _at(steps, since), _at(steps, until)
    if after is None:
        raise EmbeddedError(f"The customer was not known at {instant(until)}; choose a later instant.")
    between = [step for step in steps if instant(since) < step.at <= instant(until)]
    concerned = after.members | (before.members if before else frozenset())
    known: Facts = before.after if before else {}
    fields = [
        {
            "field": change.field,
            "before": showing.fact(change.field, change.before),
            "after": showing.fact(change.field, change.after),
            "events": [
                f"{step.event.log}:{step.event.position}"
                for step in between
                if any(each.field == change.field for each in step.changes)
            ],
        }
        for change in changes_between(known, after.after)
    ]
    events = [showing.event(step.event) for step in between if step.changes or step.event.customer in concerned]
    return {"from": instant(since), "to": instant(until), "fields": fields, "events": events}


def _at(steps: Sequence[Step], at: datetime) -> Step | None:
    """The last step that the customer was there for, not after this instant."""
    return next((step for step in reversed(steps) if step.after and step.at <= instant(at)), None)


def _never_set(field: str, steps: Sequence[Step]) -> str:
    ever = sorted({change.field for step in steps for change in step.changes})
    known = f"it has, or had: {', '.join(ever)}" if ever else "nothing of it was ever set"
    group = field.partition(":")[0]
    if group in (*OF_IDENTITY, *OF_CUSTOMER):
        return f"Nothing ever set {field!r} of this customer; {known}."
    return f"There is no field {field!r}; {known}."
