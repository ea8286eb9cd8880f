"""What a row of an intake file cannot carry of a person, as requests that are sent after the rows. Pure.

Links made by hand come first, then what happened in the customer log, in its order, then the follow-ups that are still
planned. Each names its customer by source and number of the row, whatever else it names by numbers from 1 in the order
of the file, and other people's customers by their source and external id; it holds no id of the system that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from deploy.portable import Carried, Told, carried, command, contact_numbers
from services.identity.application import MANUAL
from shared.events import customer as log
from shared.events import identity, notifications
from shared.events.envelope import Erased, Recorded

At: TypeAlias = tuple[str, int]
"""Source and number of a row."""
STARTS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    log.OrderPlaced.TYPE: ("place-order", lambda data: data.order_id),
    log.TicketOpened.TYPE: ("open-ticket", lambda data: data.ticket_id),
    log.InteractionRecorded.TYPE: ("record-interaction", lambda data: data.interaction_id),
}
"""Event that opens an order, a ticket or an interaction -> the command for it, and its id."""
CHANGES: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    log.OrderPaid.TYPE: ("pay-order", lambda data: data.order_id),
    log.OrderDelivered.TYPE: ("deliver-order", lambda data: data.order_id),
    log.OrderReturned.TYPE: ("return-order", lambda data: data.order_id),
    log.TicketAnswered.TYPE: ("answer-ticket", lambda data: data.ticket_id),
    log.TicketResolved.TYPE: ("resolve-ticket", lambda data: data.ticket_id),
    log.TicketReopened.TYPE: ("reopen-ticket", lambda data: data.ticket_id),
}
"""Event that changes one of them -> the command for it, and the id of what it changes."""
_IDS = frozenset({"order_id", "ticket_id", "interaction_id"})


def take_along(
    events: Sequence[Recorded], members: Collection[str], others: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, list[Told]], list[Told]]:
    """Source -> the rows of a person's customers, and the requests that follow them.

    `events` are all about the customers `members`; `others` has source and external id of whom they relate to. A
    relationship to somebody without them is left out: the other system could not know whom it means.
    """
    links = _live_links(events, members)
    busy = {event.customer for event in events if event.type in STARTS or event.type == log.RelationshipAdded.TYPE}
    busy.update(*links) if links else None
    made = [
        found
        for customer in sorted(members)
        if (found := carried(_stream(events, customer), belongs=customer in busy)) is not None
    ]
    rows: dict[str, list[Told]] = {}
    places: dict[str, At] = {}
    for each in made:
        rows.setdefault(each.source, []).append(each.row)
        places[each.customer] = (each.source, len(rows[each.source]))
    return rows, list(_Following(places, others).requests(events, made, links))


class _Following:
    """The requests of one export, and the numbers that they have given to what they begin."""

    def __init__(self, places: Mapping[str, At], others: Mapping[str, tuple[str, str]]) -> None:
        self._places = places
        self._others = others
        self._begun: dict[str, int] = {}
        self._contacts = {customer: contact_numbers(customer) for customer in places}

    def requests(
        self, events: Sequence[Recorded], made: Sequence[Carried], links: Mapping[tuple[str, str], Recorded]
    ) -> Iterator[Told]:
        for (a, b), event in links.items():
            if a in self._places and b in self._places:
                body = {"reason": event.data.reason}  # type: ignore[attr-defined]  # a Linked
                yield {**self._line("link", event, a, body), "other": self._places[b]}
        rest = {event.id for each in made for event in each.rest}
        ours = [event for event in events if event.log == "customer" and event.customer in self._places]
        for event in sorted(ours, key=lambda event: event.position or 0):
            told = self._of(event, left=event.id in rest)
            if told is not None:
                yield told
        for planned in _still_planned(events):
            if planned.customer in self._places:
                yield self._line("plan-follow-up", planned, planned.customer, _shown(planned, ("due_at", "note")))

    def _of(self, event: Recorded, *, left: bool) -> Told | None:
        if _hides(event):
            return None
        if event.type in STARTS or event.type in CHANGES:
            return self._of_another_stream(event)
        if event.type in (log.RelationshipAdded.TYPE, log.RelationshipEnded.TYPE):
            return self._relationship(event)
        told = command(event, self._contacts[event.customer]) if left else None
        if told is None:
            return None
        name, contact = told.pop("command"), told.pop("contact", None)
        line = self._line(name, event, event.customer, told)
        return line if contact is None else {**line, "contact": contact}

    def _of_another_stream(self, event: Recorded) -> Told | None:
        name, id_of = {**STARTS, **CHANGES}[event.type]
        began = id_of(event.data)
        told = {**event.data.model_dump(mode="json", exclude_none=True), "occurred_at": event.occurred_at}
        line = self._line(name, event, event.customer, {key: told[key] for key in told if key not in _IDS})
        if event.type in STARTS:
            self._begun[began] = len(self._begun) + 1
            return {**line, "begins": self._begun[began]}
        return {**line, "on": self._begun[began]} if began in self._begun else None

    def _relationship(self, event: Recorded) -> Told | None:
        data: Any = event.data
        if event.type == log.RelationshipEnded.TYPE:
            number = self._begun.get(data.relationship_id)
            body = {"reason": data.reason, "occurred_at": event.occurred_at}
            return (
                None
                if number is None
                else {**self._line("end-relationship", event, event.customer, body), "on": number}
            )
        other: Any = self._places.get(data.other)
        if other is None and data.other in self._others:
            source, external_id = self._others[data.other]
            other = {"source": source, "external_id": external_id}
        if other is None:
            return None
        self._begun[data.relationship_id] = len(self._begun) + 1
        body = {"role": data.role, "occurred_at": event.occurred_at}
        line = self._line("add-relationship", event, event.customer, body)
        return {**line, "other": other, "begins": self._begun[data.relationship_id]}

    def _line(self, name: str, event: Recorded, customer: str, body: Told) -> Told:
        return {"command": name, "customer": self._places[customer], "purpose": event.purpose, "body": body}


def related(events: Iterable[Recorded]) -> set[str]:
    """The customers that these events name as relations."""
    return {event.data.other for event in events if isinstance(event.data, log.RelationshipAdded)}


def _stream(events: Iterable[Recorded], customer: str) -> list[Recorded]:
    own = (event for event in events if event.log == "customer" and event.stream == f"customer-{customer}")
    return sorted(own, key=lambda event: event.seq)


def _live_links(events: Iterable[Recorded], members: Collection[str]) -> dict[tuple[str, str], Recorded]:
    """The links that people made between these customers and nobody took away since."""
    live: dict[tuple[str, str], Recorded] = {}
    for event in sorted((e for e in events if e.log == "identity"), key=lambda event: event.position or 0):
        match event.data:
            case identity.Linked(a=a, b=b, decided_by=decided) if decided == MANUAL and {a, b} <= set(members):
                live[a, b] = event
            case identity.Separated(a=gone):
                live = {pair: link for pair, link in live.items() if gone not in pair}
            case _:
                pass
    return live


def _still_planned(events: Iterable[Recorded]) -> list[Recorded]:
    """The follow-ups that are to come, as they were planned last; birthdays every system plans itself."""
    planned: dict[str, Recorded] = {}
    for event in sorted((e for e in events if e.log == "notifications"), key=lambda event: event.position or 0):
        match event.data:
            case notifications.ReminderPlanned(reminder_id=reminder, kind="follow_up") if not _hides(event):
                planned[reminder] = event
            case (
                notifications.ReminderCancelled(reminder_id=reminder)
                | notifications.ReminderFired(reminder_id=reminder)
            ):
                planned.pop(reminder, None)
            case _:
                pass
    return list(planned.values())


def _hides(event: Recorded) -> bool:
    return any(isinstance(getattr(event.data, name), Erased) for name in event.data.SEALED)


def _shown(event: Recorded, names: Sequence[str]) -> Told:
    told = event.data.model_dump(mode="json", exclude_none=True)
    return {name: told[name] for name in names if name in told}
