"""What was dealt with a customer, counted inside an identity's document: orders, tickets, interactions."""

from collections.abc import Mapping
from decimal import Decimal

from services.projections.views.membership import MemberFold
from services.projections.views.view import Document
from shared.events import customer as log
from shared.events.envelope import Recorded


def _interaction_recorded(member: Document, data: log.InteractionRecorded, event: Recorded) -> None:
    summary = member["interactions"]
    if summary is None:
        summary = member["interactions"] = {"count": 0, "kinds": {}, "last_at": event.occurred_at}
    summary["count"] += 1
    summary["kinds"][data.kind] = summary["kinds"].get(data.kind, 0) + 1
    summary["last_at"] = max(summary["last_at"], event.occurred_at)


def _order_placed(member: Document, data: log.OrderPlaced, event: Recorded) -> None:
    summary = _count_order(member, "placed", event)
    total = Decimal(summary["totals"].get(data.currency, "0")) + Decimal(data.total)
    summary["totals"][data.currency] = str(total)


def _order_paid(member: Document, data: log.OrderPaid, event: Recorded) -> None:  # noqa: ARG001
    _count_order(member, "paid", event)


def _order_delivered(member: Document, data: log.OrderDelivered, event: Recorded) -> None:  # noqa: ARG001
    _count_order(member, "delivered", event)


def _order_returned(member: Document, data: log.OrderReturned, event: Recorded) -> None:  # noqa: ARG001
    _count_order(member, "returned", event)


def _ticket_opened(member: Document, data: log.TicketOpened, event: Recorded) -> None:
    summary = _tickets(member, event)
    summary["opened"] += 1
    summary["open"] = sorted({*summary["open"], data.ticket_id})


def _ticket_answered(member: Document, data: log.TicketAnswered, event: Recorded) -> None:  # noqa: ARG001
    _tickets(member, event)


def _ticket_resolved(member: Document, data: log.TicketResolved, event: Recorded) -> None:
    summary = _tickets(member, event)
    summary["resolved"] += 1
    summary["open"] = [ticket for ticket in summary["open"] if ticket != data.ticket_id]


def _ticket_reopened(member: Document, data: log.TicketReopened, event: Recorded) -> None:
    summary = _tickets(member, event)
    summary["open"] = sorted({*summary["open"], data.ticket_id})


def _count_order(member: Document, step: str, event: Recorded) -> Document:
    summary: Document | None = member["orders"]
    if summary is None:
        counts = {"placed": 0, "paid": 0, "delivered": 0, "returned": 0}
        summary = member["orders"] = {**counts, "totals": {}, "last_at": event.occurred_at}
    summary[step] += 1
    summary["last_at"] = max(summary["last_at"], event.occurred_at)
    return summary


def _tickets(member: Document, event: Recorded) -> Document:
    summary: Document | None = member["tickets"]
    if summary is None:
        summary = member["tickets"] = {"opened": 0, "resolved": 0, "open": [], "last_at": event.occurred_at}
    summary["last_at"] = max(summary["last_at"], event.occurred_at)
    return summary


DEALING_FOLDS: Mapping[str, MemberFold] = {
    log.InteractionRecorded.TYPE: _interaction_recorded,
    log.OrderPlaced.TYPE: _order_placed,
    log.OrderPaid.TYPE: _order_paid,
    log.OrderDelivered.TYPE: _order_delivered,
    log.OrderReturned.TYPE: _order_returned,
    log.TicketOpened.TYPE: _ticket_opened,
    log.TicketAnswered.TYPE: _ticket_answered,
    log.TicketResolved.TYPE: _ticket_resolved,
    log.TicketReopened.TYPE: _ticket_reopened,
}
