"""I6: links make a forest; who is one with whom follows from them alone, and every table and view says the same.

Replayed here by code of its own: customers are joined by links, a separation takes links away, and whoever was said to
be never one stays apart until that is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from shared.events.envelope import Recorded
from shared.events.identity import Asserted, AssertionEnded, Linked, NumberAssigned, Separated
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding


class Graph:
    """Customers and the links between them that hold now."""

    def __init__(self) -> None:
        self.neighbours: dict[str, set[str]] = defaultdict(set)
        self.bans: set[frozenset[str]] = set()
        self.moved_to: dict[str, str] = {}
        self.violations: list[str] = []

    def replay(self, events: Iterable[Recorded]) -> None:
        """Applies events in log order, noting what must not be."""
        for event in events:
            match event.data:
                case NumberAssigned():
                    self.neighbours.setdefault(event.customer, set())
                case Linked():
                    self._link(event.data, event.position)
                case Separated():
                    self._separate(event.data, event.position)
                case Asserted(says="never"):
                    self.bans |= {frozenset((event.data.a, other)) for other in event.data.others}
                case AssertionEnded(says="never"):
                    self.bans -= {frozenset((event.data.a, other)) for other in event.data.others}
                case _:
                    pass
            self.moved_to.update({move.customer: move.identity for move in getattr(event.data, "moves", ())})

    def group(self, customer: str) -> set[str]:
        """Everybody that hangs together with a customer, itself included."""
        found, waiting = {customer}, [customer]
        while waiting:
            fresh = self.neighbours[waiting.pop()] - found
            found |= fresh
            waiting.extend(fresh)
        return found

    def links(self) -> frozenset[tuple[str, str]]:
        return frozenset((a, b) for a, others in self.neighbours.items() for b in others if a < b)

    def identities(self) -> dict[str, str]:
        """Customer -> the id of its oldest fellow."""
        identity: dict[str, str] = {}
        for customer in self.neighbours:
            if customer not in identity:
                group = self.group(customer)
                identity.update(dict.fromkeys(group, min(group)))
        return identity

    def _link(self, link: Linked, position: int | None) -> None:
        left, right = self.group(link.a), self.group(link.b)
        if link.b in left:
            self.violations.append(f"The link at identity {position} joins {link.a} and {link.b}, one already.")
        across = [ban for ban in self.bans if len(ban & left) == 1 and len(ban & right) == 1]
        if across:
            self.violations.append(f"The link at identity {position} joins {link.a} and {link.b} across a ban.")
        self.neighbours[link.a].add(link.b)
        self.neighbours[link.b].add(link.a)

    def _separate(self, parting: Separated, position: int | None) -> None:
        rest = self.group(parting.a) - {parting.a}
        if parting.b not in rest:
            self.violations.append(f"The separation at identity {position} parts {parting.a} and {parting.b}, not one.")
        for ends in parting.links or ():
            self.neighbours[ends.a].discard(ends.b)
            self.neighbours[ends.b].discard(ends.a)
        if parting.b in self.group(parting.a):
            self.violations.append(f"The separation at identity {position} leaves {parting.a} and {parting.b} one.")


def replayed(evidence: Evidence) -> Graph:
    """The graph after all events of the identity log."""
    graph = Graph()
    graph.replay(evidence.events("identity"))
    return graph


def judge(evidence: Evidence) -> Finding:
    """The replay against the moves in the events, the service's tables, and the views."""
    graph = replayed(evidence)
    expected = graph.identities()
    moved = {customer: graph.moved_to.get(customer, customer) for customer in expected}
    violations = [*graph.violations, *_unlike("the moves of the identity log", expected, moved)]
    violations += _unlike("the table members of identity", expected, evidence.members)
    violations += [
        f"The link {a} - {b} {'is missing in' if (a, b) in graph.links() else 'should not be in'} the table links."
        for a, b in sorted(graph.links() ^ evidence.links)
    ]
    violations += _unlike("the view customer", *_in_views(evidence, expected))
    return Finding(len(expected), violations, figures={"identities": len(set(expected.values()))})


def _in_views(evidence: Evidence, expected: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Expected and found, without customers of whom the views could not read everything."""
    blind = {parked.key for parked in evidence.parked.get("projections", ())}
    found = {
        member["customer"]: document["_id"]
        for document in evidence.views.get("customer", ())
        for member in document["members"]
    }
    away = {identity for customer, identity in expected.items() if customer in blind}
    wanted = {customer: identity for customer, identity in expected.items() if identity not in away}
    return wanted, {customer: identity for customer, identity in found.items() if customer in wanted}


def _unlike(where: str, expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        f"Customer {customer} belongs to {expected.get(customer, 'nobody')}, in {where} to {found.get(customer)}."
        for customer in sorted(expected.keys() | found.keys())
        if expected.get(customer) != found.get(customer)
    ]
