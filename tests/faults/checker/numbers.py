"""I5: every number is issued once and for ever, every registered customer has exactly one, and it leads there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from shared.events.envelope import Recorded
from shared.events.identity import AliasAdded, NumberAssigned
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding


def judge(evidence: Evidence) -> Finding:
    """Numbers against registrations, against the reserved keys, and against what the service answers."""
    waiting = evidence.set_aside("identity")
    registered = [
        event.customer
        for event in evidence.events("customer")
        if event.type == "customer.registered" and ("customer", event.position) not in waiting
    ]
    numbers = [event for event in evidence.events("identity") if isinstance(event.data, NumberAssigned)]
    violations = [
        *_issued(numbers, registered),
        *_reserved("identity", "number:", _names(evidence.events("identity")), evidence),
        *_reserved("customer", "source:", _sources(evidence.events("customer")), evidence),
        *_answered(numbers, evidence.numbers),
    ]
    return Finding(len(registered) + len(numbers) + len(evidence.numbers), violations)


def _issued(numbers: Iterable[Recorded], registered: Iterable[str]) -> list[str]:
    issued: Counter[str] = Counter()
    holders: Counter[str] = Counter(dict.fromkeys(registered, 0))
    known = set(holders)
    for event in numbers:
        issued[getattr(event.data, "number", "")] += 1
        holders[event.customer] += 1
    return [
        *(f"Number {number} was issued {times} times." for number, times in issued.items() if times > 1),
        *(f"Customer {customer} has {times} numbers." for customer, times in holders.items() if times != 1),
        *(f"Customer {customer} has a number and no registration." for customer in holders.keys() - known),
    ]


def _names(events: Iterable[Recorded]) -> dict[str, str]:
    found = {}
    for event in events:
        match event.data:
            case NumberAssigned(number=name) | AliasAdded(alias=name):
                found[f"number:{name}"] = event.stream
            case _:
                pass
    return found


def _sources(events: Iterable[Recorded]) -> dict[str, str]:
    return {
        f"source:{getattr(event.data, 'source', '')}:{external}": event.stream
        for event in events
        if event.type == "customer.registered" and (external := getattr(event.data, "external_id", None)) is not None
    }


def _reserved(log: str, prefix: str, expected: Mapping[str, str], evidence: Evidence) -> list[str]:
    if log not in evidence.reservations:
        return []
    held = {key: owner for key, owner in evidence.reservations[log].items() if key.startswith(prefix)}
    return [
        f"Key {key} of the {log} log is held by {held.get(key, 'nobody')}, by its events by {expected.get(key)}."
        for key in sorted(held.keys() | expected.keys())
        if held.get(key) != expected.get(key)
    ]


def _answered(numbers: Iterable[Recorded], answered: Mapping[str, str | None]) -> list[str]:
    owners = {getattr(event.data, "number", ""): event.customer for event in numbers}
    return [
        f"Number {number} leads to {customer} and was given to {owners.get(number)}."
        for number, customer in answered.items()
        if owners.get(number) != customer
    ]
