"""What the load knows of the system: only what it was answered. Bounded, so that a long run needs no more memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

from shared.ids import derive

ContactState: TypeAlias = Literal["new", "verified", "invalid"]
CUSTOMERS = 1500
OTHERS = 400
_LOOKS = 16
"""So many are looked at for one that fits; a rare kind is then not done this time."""


@dataclass(slots=True, eq=False)
class Known:
    """Something that commands change. While `busy` of them are under way, no other command takes it."""

    id: str
    busy: int = 0
    gone: bool = False
    """Nobody knows how it stands now, so it is left alone."""


@dataclass(slots=True, eq=False)
class Customer(Known):
    """`since` is in seconds of the run; `person` the number of who it is."""

    version: int = 1
    person: int = 0
    external_id: str | None = None
    since: float = 0.0
    archived: bool = False
    contacts: dict[str, ContactState] = field(default_factory=dict)
    contacts_seen: int = 0
    relationships: list[str] = field(default_factory=list)
    relationships_seen: int = 0
    consents: set[str] = field(default_factory=set)
    to_be_erased: bool = False

    def add_contact(self) -> None:
        """The next contact point of this customer."""
        self.contacts_seen += 1
        self.contacts[derive("contact", self.id, str(self.contacts_seen))] = "new"

    def contacts_but(self, state: ContactState) -> list[str]:
        """The contact points that are not in this state."""
        return [contact for contact, present in self.contacts.items() if present != state]

    def add_relationship(self) -> None:
        """The next relationship of this customer."""
        self.relationships_seen += 1
        self.relationships.append(derive("relationship", self.id, str(self.relationships_seen)))


@dataclass(slots=True, eq=False)
class Order(Known):
    """Amounts in cents."""

    customer: str = ""
    total: int = 0
    open: int = 0
    delivered: bool = False
    returned: int = 0


@dataclass(slots=True, eq=False)
class Ticket(Known):
    customer: str = ""
    resolved: bool = False


@dataclass(slots=True, eq=False)
class Reminder(Known):
    customer: str = ""
    due_at: datetime | None = None


@dataclass(slots=True, eq=False)
class Link(Known):
    """Customers a and b were linked, or, `apart`, separated. `id` is that of a; `since` is in seconds of the run."""

    b: str = ""
    since: float = 0.0
    apart: bool = False


K = TypeVar("K", bound=Known)


class Shelf(Generic[K]):
    """Known things of one kind; over the limit, one by chance makes room."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: list[K] = []

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[K]:
        return iter(self._all)

    def put(self, rng: random.Random, known: K) -> None:
        if len(self._all) < self._limit:
            self._all.append(known)
        else:
            self._all[rng.randrange(len(self._all))] = known

    def pick(self, rng: random.Random, fits: Callable[[K], bool] = lambda _: True) -> K | None:
        """One of them that fits, is free and is not gone, if one is found soon."""
        for _ in range(_LOOKS if self._all else 0):
            at = rng.randrange(len(self._all))
            known = self._all[at]
            if known.gone:
                self._all[at] = self._all[-1]
                self._all.pop()
                if not self._all:
                    return None
            elif not known.busy and fits(known):
                return known
        return None


@dataclass(slots=True)
class World:
    """What is known, and the numbers that were given so far.

    `name` begins every external id; `chance` draws what full shelves leave out.
    """

    name: str
    chance: random.Random
    customers: Shelf[Customer] = field(default_factory=lambda: Shelf(CUSTOMERS))
    orders: Shelf[Order] = field(default_factory=lambda: Shelf(OTHERS))
    tickets: Shelf[Ticket] = field(default_factory=lambda: Shelf(OTHERS))
    reminders: Shelf[Reminder] = field(default_factory=lambda: Shelf(OTHERS))
    links: Shelf[Link] = field(default_factory=lambda: Shelf(OTHERS))
    leaving: Shelf[Customer] = field(default_factory=lambda: Shelf(OTHERS))
    """Customers whose erasure was requested."""
    persons: int = 0
    drawn: int = 0

    def things_of(self, customer: str) -> Iterator[Known]:
        """What a customer has, as far as it is known: orders, tickets, reminders, links."""
        for shelf in (self.orders, self.tickets, self.reminders):
            yield from (known for known in shelf if known.customer == customer)
        yield from (link for link in self.links if customer in (link.id, link.b))

    def next(self) -> int:
        """A number that was not given before; it makes contents differ."""
        self.drawn += 1
        return self.drawn

    def next_person(self) -> int:
        self.persons += 1
        return self.persons
