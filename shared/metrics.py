"""Every metric of every service, declared once. Use as `metrics.EVENTS_APPENDED.labels(log).inc(n)`.

Labels are names of ours (log, topic, route template), never ids or data, so their number stays small.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"custlog_{name}", meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"custlog_{name}", meaning, labels, registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _FAST) -> Histogram:
    return Histogram(f"custlog_{name}", meaning, labels, buckets=buckets, registry=REGISTRY)


HTTP_REQUESTS = _counter("http_requests", "Answered requests.", "method", "route", "status")
HTTP_SECONDS = _histogram(
    "http_request_seconds", "From the request's head to the end of the answer.", "method", "route"
)

EVENTS_APPENDED = _counter("log_events_appended", "Events committed to a log.", "log")
COMMITS = _counter("log_commits", "Database transactions that committed events.", "log")
BATCH_EVENTS = _histogram("log_batch_events", "Events per committed transaction.", "log", buckets=_SIZES)
CONFLICTS = _counter("log_conflicts", "Commits refused, by reason (version, command, reserved).", "log", "reason")
APPEND_SECONDS = _histogram("log_append_seconds", "From a command's commit call to its answer.", "log")

RELAY_PUBLISHED = _counter("relay_published", "Records published to Kafka, repeats after a crash included.", "log")
RELAY_REPUBLISHED = _counter("relay_republished", "Times a log was published again from its beginning.", "log")
RELAY_LAG = _gauge("relay_lag", "Positions between the head of the log and the last published record.", "log")
RELAY_FENCED = _counter("relay_fenced", "Times that Kafka refused this process because another one leads.", "log")
RELAY_LEADER = _gauge("relay_leader", "1 if this process publishes the log, else 0.", "log")

AUDIT_SIZE = _gauge("audit_size", "Records of the log under the newest checkpoint that this process has seen.", "log")
AUDIT_ALARMS = _counter(
    "audit_alarms", "Times that a log was not what was signed, or a witness did not cosign it.", "log", "kind"
)

RECORDS_APPLIED = _counter("consumer_applied", "Records whose effect was committed.", "consumer", "topic")
RECORDS_DUPLICATE = _counter(
    "consumer_duplicates", "Records dropped because their position was done.", "consumer", "topic"
)
RECORDS_FORGED = _counter("consumer_forged", "Records refused because no relay published them there.", "topic")
RECORDS_PARKED = _gauge("consumer_parked", "Records that wait for a re-drive.", "consumer", "topic")
CONSUMER_LAG = _gauge("consumer_lag", "Records of the topic not yet applied.", "consumer", "topic")
REWINDS = _counter("consumer_rewinds", "Partitions read again from the start because of a hole.", "consumer", "topic")
REBALANCES = _counter("consumer_rebalances", "Times that partitions were given to this process.", "consumer")
CONSUMER_RETRIES = _counter("consumer_retries", "Batches tried again after a server failed.", "consumer", "topic")

NUMBERS_ASSIGNED = _counter("identity_numbers_assigned", "Customers that got their number.")
LINKS_MADE = _counter("identity_links", "Links made by rules.")
REVIEWS_OPENED = _counter("identity_reviews_opened", "Questions that were put to people.")
KEYS_TOO_COMMON = _counter("identity_keys_too_common", "Uses of evidence that too many customers share.")

FOLD_SECONDS = _histogram("view_fold_seconds", "One batch into one view, without the database.", "view")

REMINDERS_PLANNED = _counter("reminders_planned", "Reminders planned.", "rule")
REMINDERS_FIRED = _counter("reminders_fired", "Reminders fired.", "rule")
REMINDERS_CANCELLED = _counter("reminders_cancelled", "Reminders cancelled.", "rule")
MESSAGES_SENT = _counter("messages_sent", "Messages accepted by a channel.", "channel")
MESSAGES_FAILED = _counter("messages_failed", "Messages a channel refused for good.", "channel")

KEYRING_OPERATIONS = _counter("keyring_operations", "Data keys made or fetched, fetched, destroyed.", "operation")

REFUSALS_LOST = _counter("access_refusals_lost", "Refusals that too many others kept out of the access log.")


def exposition() -> tuple[bytes, str]:
    """The present values in Prometheus text format, and its media type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
