"""I9: no sealed text stands in the open, who was to be erased is, everywhere, and nobody else reads as erased.

Looked through for a sealed text: the logs of the services, the files of PostgreSQL and Kafka, every record of logs and
topics. The views in MongoDB may hold names: their search index needs them, but of nobody who was erased. So every mark
that stands in any collection, in builds that nobody reads too, must be in an event that can still be opened.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from shared.events.envelope import Erased, Recorded
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding, together
from tests.faults.checker.sources.leaks import marks_in


def judge(evidence: Evidence) -> Finding:
    """Where the canary was found, and what is wrong with erasures."""
    return together(_judge_erasures(evidence), _judge_leaks(evidence))


def _judge_leaks(evidence: Evidence) -> Finding:
    if evidence.leaks is None:
        return Finding(why="no text was marked to be searched for")
    violations = [f"A sealed text stands in the open in {place}." for place in evidence.leaks]
    return Finding(1, violations)


def _judge_erasures(evidence: Evidence) -> Finding:
    told = evidence.events("customer")
    known = {event.customer for event in told if event.type == "customer.registered"}
    approved = {event.customer for event in told if event.type == "customer.erasure_approved"}
    said = [event.customer for event in told if event.type == "customer.erased"]
    ledger, erased = evidence.erasures.ledger, evidence.erased()
    violations = [
        *(f"The erasure of {customer} was approved and is not carried out." for customer in approved - set(said)),
        *(f"Customer {customer} is erased and not in the ledger." for customer in set(said) - ledger),
        *(
            f"Customer {customer} is in the ledger, the log does not say so."
            for customer in (ledger & known) - set(said)
        ),
        *(f"Customer {customer} was erased {said.count(customer)} times." for customer in _twice(said)),
        *(f"Customer {customer} is erased and has a key." for customer in erased & evidence.erasures.keys),
        *(
            f"Customer {customer} is erased, and {store} holds something of it."
            for store, customers in evidence.erasures.left.items()
            for customer in customers & erased
        ),
        *_readings(evidence, erased),
        *_of_nobody(evidence),
    ]
    if not evidence.done("restore"):
        violations += [f"Nobody approved the erasure of {customer}." for customer in sorted(set(said) - approved)]
    return Finding(len(erased), sorted(violations), figures={"erased": len(set(said))})


def _twice(customers: list[str]) -> set[str]:
    return {customer for customer in customers if customers.count(customer) > 1}


def _readings(evidence: Evidence, erased: frozenset[str]) -> Iterator[str]:
    """Who is erased reads as erased in every event, wholly; everybody else in none."""
    for log in evidence.logs:
        for event in evidence.events(log):
            gone = [isinstance(getattr(event.data, name), Erased) for name in _sealed(event)]
            if event.sealed.keys() <= erased:
                if not all(gone):
                    yield f"Of the erased customer {event.customer} the event at {log} {event.position} can be read."
            elif any(gone) and erased.isdisjoint(event.sealed):
                yield f"The event at {log} {event.position} reads as erased, and nobody erased {event.customer}."


def _of_nobody(evidence: Evidence) -> Iterator[str]:
    """What MongoDB holds of somebody of whom no event can be opened any more."""
    if any(evidence.marks.values()):
        living = {
            mark
            for log in evidence.logs
            for event in evidence.events(log)
            for mark in marks_in(orjson.dumps(event.data.model_dump(mode="json")))
        }
        for collection, marks in evidence.marks.items():
            for mark in sorted(marks - living):
                yield f"The collection {collection} holds {mark}, and nobody who lives has it."


def _sealed(event: Recorded) -> list[str]:
    """The fields that are in the event's sealed parts."""
    return [name for part in event.sealed.values() for name in part.fields]
