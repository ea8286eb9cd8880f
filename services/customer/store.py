"""What the customer service asks its log's database beyond single streams."""

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
