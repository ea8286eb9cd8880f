"""What a witness counts, for GET /metrics."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Measures:
    """Of one witness."""

    def __init__(self, alarms: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._answers = Counter(
            "custlog_witness_answers", "Answers to add-checkpoint.", ["status"], registry=self._registry
        )
        self._sizes = Gauge(
            "custlog_witness_size", "Size of the last checkpoint cosigned.", ["log"], registry=self._registry
        )
        counted = Gauge("custlog_witness_alarms", "Alarms that wait for a person.", registry=self._registry)
        counted.set_function(alarms)

    def answered(self, status: int) -> None:
        self._answers.labels(str(status)).inc()

    def size(self, log: str, size: int) -> None:
        self._sizes.labels(log).set(size)

    def exposition(self) -> bytes:
        """The present values in Prometheus text format, MEDIA_TYPE."""
        return generate_latest(self._registry)
