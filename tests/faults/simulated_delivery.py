"""How records move in a simulated system: relays that publish logs, and the feeds of consumers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from shared.lease import Published
from shared.publication import Building
from shared.streaming import Plan
from tests.support.memory import at_once
from tests.support.memory_log import MemoryLog
from tests.support.memory_topic import MemoryTopic

PARTITIONS = 3


@dataclass
class Relay:
    """Publishes a log; `published` is what its lease remembers."""

    log: MemoryLog
    topic: MemoryTopic
    at: Callable[[str], None]
    published: Published = field(default_factory=Published)

    def read(self, most: int) -> Building:
        """The next records of the log, built for the topic."""
        building = Building(self.topic, self.published, PARTITIONS)
        for record in self.log.read(building.published.position, most):
            building.add(record)
        return building

    def step(self, most: int) -> bool:
        """Publishes some of what is new; False if nothing was."""
        building = self.read(most)
        if not building.builders:
            return False
        self.at("before publish")
        self.topic.publish(building.builders)
        self.at("after publish")
        self.published = building.published
        self.at("after store")
        return True

    def begin_anew(self) -> None:
        """The topic is lost: it is made anew, and the log published from its beginning."""
        self.topic.make_anew()
        self.published = Published()


class Feed:
    """The subscription of one consumer: what it gets next of each partition."""

    def __init__(self, consumer: Any, topics: list[MemoryTopic], tell: Counter[str]) -> None:
        self.consumer = consumer
        self._topics = {topic.name: topic for topic in topics}
        self._places = [(topic.name, number) for topic in topics for number in range(PARTITIONS)]
        self._tell = tell
        self._rewound: dict[tuple[str, int], int] = {}
        self.restart()

    def restart(self) -> None:
        """A new process goes on where its store says."""
        stored = at_once(self.consumer.resume(self._places))
        self._next = {place: stored.get(place) or 0 for place in self._places}
        self._rewound.clear()

    def lag(self) -> list[tuple[str, int]]:
        """The partitions that it has."""
        return self._places

    async def rewind(self, topic: str, partition: int) -> None:
        """Reads a partition from its beginning."""
        self._next[topic, partition] = 0

    def read_again(self, topics: set[str]) -> None:
        """A quiet partition that was made anew may end just where its consumer goes on: only the next record tells."""
        for topic, number in self._places:
            if topic in topics:
                self._next[topic, number] = 0

    def set_back(self, chance: Random) -> None:
        """Partitions come back from another member of the group: some records are read again."""
        for place in chance.sample(self._places, k=2):
            self._next[place] = max(0, self._next[place] - chance.randint(1, 4))

    def step(self, chance: Random) -> None:
        """A batch from some of the partitions; the others wait."""
        self.take(chance.sample(self._places, k=chance.randint(1, len(self._places))), chance.randint(1, 6))

    def take(self, places: list[tuple[str, int]] | None = None, most: int = 100) -> bool:
        """Hands over what is next; False if there was nothing."""
        batch = []
        for name, number in places or self._places:
            if self._next[name, number] > len(self._topics[name].partitions[number]):
                self._next[name, number] = 0  # out of range: auto.offset.reset is earliest
            batch += self._topics[name].read(number, self._next[name, number], most)
        if not batch:
            return False
        for record in batch:
            self._next[record.topic, record.partition] = record.offset + 1
        plan: Plan = at_once(self.consumer.handle(batch))
        for hole in plan.holes:
            place = (hole.topic, hole.partition)
            assert self._rewound.get(place) != hole.tracked, f"{place} has no record after position {hole.tracked}"
            self._rewound[place] = hole.tracked
            at_once(self.rewind(*place))
        self._tell.update(duplicates=plan.duplicates, holes=len(plan.holes), parked=len(plan.park))
        return True
