"""What the customer service asks its log's database beyond single streams."""

from collections.abc import Sequence

from shared.eventlog.log import Log
from shared.eventlog.mapper import Record, parse

_CREATE_INDEX = """
CREATE INDEX IF NOT EXISTS events_erasure_approved ON events (notification_id)
WHERE starts_with(topic, 'customer.erasure_approved.')
"""
# Approved long ago and erased is the rule: those are told by their streams, which end with the erasure.
_APPROVED = """
SELECT notification_id, state FROM events approved
WHERE starts_with(topic, 'customer.erasure_approved.') AND notification_id > %s AND NOT EXISTS (
    SELECT FROM events erased
    WHERE erased.originator_id = approved.originator_id AND starts_with(erased.topic, 'customer.erased.')
)
ORDER BY notification_id LIMIT %s
"""
# Who is approved is left to the eraser's round, whose event follows from the approval.
_UNSAID = """
SELECT subject FROM unnest(%s::text[]) WITH ORDINALITY AS erased (subject, place)
WHERE EXISTS (SELECT FROM events WHERE originator_id = 'customer-' || subject)
AND NOT EXISTS (
    SELECT FROM events WHERE originator_id = 'customer-' || subject
    AND (starts_with(topic, 'customer.erased.') OR starts_with(topic, 'customer.erasure_approved.'))
)
ORDER BY place
"""


def create(log: Log) -> None:
    """Makes the index that is missing. Blocks. Raises Unavailable (retry)."""
    with log.transaction() as tx:
        # Two processes that create one index at once fail even with IF NOT EXISTS.
        tx.lock()
        tx.cursor.execute(_CREATE_INDEX)


def approved(log: Log, after: int, limit: int) -> list[tuple[int, Record]]:
    """The approvals behind an index of the log whose customers are not erased yet, in order. Blocks.

    Raises the driver's errors; call it through `Log.in_thread`.
    """
    with log.datastore.get_connection() as connection, connection.cursor() as cursor:
        cursor.execute(_APPROVED, (after, limit))
        return [(row["notification_id"], parse(bytes(row["state"]))) for row in cursor.fetchall()]


def unsaid(log: Log, customers: Sequence[str]) -> list[str]:
    """Those of the customers that the log knows and says neither approved nor erased of. Blocks.

    Raises the driver's errors; call it through `Log.in_thread`.
    """
    with log.datastore.get_connection() as connection, connection.cursor() as cursor:
        cursor.execute(_UNSAID, (list(customers),))
        return [row["subject"] for row in cursor.fetchall()]
