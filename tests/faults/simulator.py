"""A whole system in one thread, from one seed: what commands, relays and consumers do while processes die around them.

Real here: the commands of the customer and the identity service, the writer and its seals, the building of records for
a topic, and both consumers with everything they plan, fold, park and drive again. Stand-ins, each held to a contract
suite with its server: PostgreSQL's tables, MongoDB's documents, the broker. Left out, because it lives in a server or
in a client library of one: locks between processes, network, group membership, transactions of Kafka, clocks of
processes; the storms of `make faults` are for these. Reminders have a machine of their own (tests/notifications).

    python -m tests.faults.simulator --seeds 10000 [--from 0]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

from structlog.testing import capture_logs

from services.identity.batch import Matching
from services.identity.consumer import make_consumer
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.projections.application import Application as Projections
from services.projections.consumer import Consumer as ViewsConsumer
from services.projections.views import VIEWS
from shared.decoding import Decoder
from shared.eventlog.mapper import Record
from shared.streaming import source_name
from tests.faults import simulated_laws
from tests.faults.simulated_clients import Clients
from tests.faults.simulated_delivery import PARTITIONS, Feed, Relay
from tests.support.memory import at_once, in_memory
from tests.support.memory_log import MemoryKeyring, MemoryLog
from tests.support.memory_tables import Died
from tests.support.memory_topic import MemoryTopic
from tests.support.memory_views import MemoryViews

STEPS = 70
MORTALITY = 0.04
"""How probable it is to die at any step at which one can."""
START_MS = 1_800_000_000_000
MATCHING = Matching(fingerprints(b"k" * 32), Judge(shipped()))


class Simulation:
    """One run. `counters` say what happened in it."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.counters: Counter[str] = Counter()
        self.mortal = False
        self.poisoned: set[str] = set()
        self.anew: set[str] = set()
        keyring = MemoryKeyring()
        self.logs = {name: MemoryLog(name, keyring, at=partial(self.at, name)) for name in ("customer", "identity")}
        self.topics = {name: MemoryTopic(f"{name}.events", PARTITIONS) for name in self.logs}
        self.relays = [Relay(log, self.topics[name], partial(self.at, "relay")) for name, log in self.logs.items()]
        sources = [source_name(topic.name, number) for topic in self.topics.values() for number in range(PARTITIONS)]
        self.views = MemoryViews(VIEWS, sources, at=partial(self.at, "views"))
        self.clients = Clients(self.logs["customer"], self.logs["identity"], self.chance, self.counters)
        self.identity = make_consumer(self.logs["identity"], MATCHING)
        self.identity._decoder = self._poisonable(self.identity._decoder)
        self.projections = Projections(self.views, keyring, {topic.name: name for name, topic in self.topics.items()})
        self.projections._decoder = self._poisonable(self.projections._decoder)
        views = ViewsConsumer(self.projections)
        self.feeds = [
            Feed(self.identity, [self.topics["customer"]], self.counters),
            Feed(views, list(self.topics.values()), self.counters),
        ]
        views.subscription = self.feeds[1]  # type: ignore[assignment]
        self._watch = views.look

    def at(self, process: str, step: str) -> None:
        if self.mortal and self.chance.random() < MORTALITY:
            self.counters[f"died {step}"] += 1
            raise Died(f"{process} {step}")

    def run(self, steps: int = STEPS) -> None:
        """Chaos, then calm, then the laws. Raises AssertionError with the law that does not hold."""
        actions = self._actions()
        self.mortal = True
        for action in self.chance.choices([do for do, _ in actions], [weight for _, weight in actions], k=steps):
            action()
        self.mortal = False
        self.poisoned.clear()
        self.clients.settle()
        self._drain()
        for feed in self.feeds:
            feed.read_again(self.anew)
        self._drive_again()
        self._drain()
        simulated_laws.check(self)

    def _actions(self) -> list[tuple[Callable[[], None], float]]:
        return [
            (lambda: self._survive(self.clients.step, lambda: None), 40),
            *((lambda relay=relay: self._survive(lambda: relay.step(self.chance.randint(1, 8)), lambda: None), 9)
              for relay in self.relays),
            *((lambda feed=feed: self._survive(lambda: feed.step(self.chance), feed.restart), 14)
              for feed in self.feeds),
            *((lambda feed=feed: feed.set_back(self.chance), 2) for feed in self.feeds),
            (self._garbage, 1.5),
            (self._poison, 2),
            (lambda: self._survive(self._drive_again, lambda: None), 2),
            (self._lose_a_topic, 0.7),
            (self.views.wipe, 0.5),
        ]  # fmt: skip

    def _survive(self, step: Callable[[], object], restart: Callable[[], None]) -> None:
        try:
            step()
        except Died:
            mortal, self.mortal = self.mortal, False
            restart()
            self.mortal = mortal

    def _garbage(self) -> None:
        topic = self.topics[self.chance.choice(list(self.topics))]
        topic.put(self.chance.randrange(PARTITIONS), b"x", b"\xff no record", [])
        self.counters["garbage"] += 1

    def _lose_a_topic(self) -> None:
        relay = self.chance.choice(self.relays)
        relay.begin_anew()
        self.anew.add(relay.topic.name)
        self.counters["made anew"] += 1

    def _poison(self) -> None:
        """This build cannot read what is said of one customer, until another build comes."""
        known = list(self.clients.customers)
        self.poisoned = {self.chance.choice(known)} if known and not self.poisoned else set()

    def _poisonable(self, decoder: Decoder) -> Decoder:
        def concerns(record: Record) -> bool:
            if record.customer in self.poisoned:
                raise ValueError("poison")
            return decoder.concerns(record)

        return replace(decoder, concerns=concerns)

    def _drive_again(self) -> None:
        for consumer in (self.identity, self.projections):
            self.counters["driven again"] += at_once(consumer.redrive())["applied"]

    def _drain(self) -> None:
        busy = True
        while busy:
            at_once(self._watch())
            moved = [*(relay.step(50) for relay in self.relays), *(feed.take() for feed in self.feeds)]
            busy = any(moved)


class SeededIds:
    """Ids that are the same in every run of a seed, and ordered as real ones are."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._ms = START_MS

    def next(self) -> int:
        self._ms += 1
        return (self._ms << 80) | (7 << 76) | (2 << 62) | self._chance.getrandbits(62)


@contextmanager
def simulating(seed: int) -> Iterator[None]:
    """Everything that runs inside runs at once, in this thread, and in the same way for the same seed."""

    async def here(work: Callable[..., Any], *given: Any) -> Any:
        return work(*given)

    with ExitStack() as stack:
        stack.enter_context(in_memory())
        stack.enter_context(patch("asyncio.to_thread", here))
        stack.enter_context(patch("shared.ids._SOURCE", SeededIds(Random(seed))))
        stack.enter_context(patch("services.projections.consumer.consumer_lag"))
        stack.enter_context(capture_logs())
        yield


def simulate(seed: int) -> Counter[str]:
    """One run; what happened in it. Raises AssertionError naming the seed if a law does not hold."""
    with simulating(seed):
        simulation = Simulation(seed)
        try:
            simulation.run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        return simulation.counters


def main() -> None:
    arguments = argparse.ArgumentParser(description="Simulated runs, each from one seed.")
    arguments.add_argument("--seeds", type=int, default=1000)
    arguments.add_argument("--from", type=int, default=0, dest="first")
    given = arguments.parse_args()
    counters: Counter[str] = Counter()
    failed: list[str] = []
    started = time.monotonic()
    for seed in range(given.first, given.first + given.seeds):
        try:
            counters += simulate(seed)
        except AssertionError as error:
            failed.append(str(error))
    seconds = time.monotonic() - started
    answer = {
        "seeds": given.seeds,
        "failed": failed[:20],
        "seconds": round(seconds, 2),
        "seeds_per_second": round(given.seeds / seconds, 1),
        "counters": dict(sorted(counters.items())),
    }
    print(json.dumps(answer, indent=1))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
