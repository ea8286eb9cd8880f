"""What must hold at the end of every simulated run."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from services.customer.application import Answer
from services.identity.domain.identities import Identities, evolve
from services.identity.numbering.rule import read
from services.projections.fold import compare, fold_all
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import Recorded
from shared.events.identity import NumberAssigned
from shared.streaming import parse_source
from shared.topics import partition_of
from tests.support.memory_topic import MemoryTopic

if TYPE_CHECKING:
    from tests.faults.simulated_clients import Clients
    from tests.faults.simulator import Simulation


def check(run: Simulation) -> None:
    """Raises AssertionError with the first law that is broken."""
    customer, identity = (_events(log) for log in run.logs.values())
    _log_is_what_was_acknowledged(run.clients, customer, identity)
    for name, log in run.logs.items():
        _topic_holds_the_log(run.topics[name], log)
    _each_number_once(customer, identity, run.logs["identity"])
    _only_garbage_is_parked(run)
    differences = compare(fold_all([*customer, *identity]), {n: d.values() for n, d in run.views.documents().items()})
    assert not differences, f"views are not the fold: {differences[:3]}"


def _events(log: Log) -> list[Recorded]:
    stored = log.read(0, 100_000)
    assert [item.id for item in stored] == list(range(1, len(stored) + 1)), f"the {log.name} log has a gap"
    return log.open_all([parse(item.state) for item in stored], [item.id for item in stored])


def _log_is_what_was_acknowledged(clients: Clients, customer: list[Recorded], identity: list[Recorded]) -> None:
    stands: dict[str, list[Recorded]] = defaultdict(list)
    seqs: Counter[str] = Counter()
    for event in (*customer, *identity):
        stands[event.command].append(event)
        seqs[event.stream] += 1
        assert event.seq == seqs[event.stream], f"{event.stream} has a gap at {event.seq}"
    for command, (sent, answer) in clients.answered.items():
        events = stands[command]
        assert events or not sent.changes, f"command {command} was acknowledged, nothing of it stands in the log"
        if events and isinstance(answer, Answer):
            assert events[-1].seq == answer.version, f"command {command} was told another version"
            assert {event.stream.partition("-")[2] for event in events} == {answer.id}
        assert [e.seq for e in events] == list(range(events[0].seq, events[-1].seq + 1)) if events else True
    assert not clients.refused & stands.keys(), "a refused command stands in the log"
    known = clients.answered.keys() | {sent.command for sent in clients.unknown}
    assert {event.command for event in customer} <= known, "the customer log holds what nobody sent"


def _topic_holds_the_log(topic: MemoryTopic, log: Log) -> None:
    stored = {item.id: item.state for item in log.read(0, 100_000)}
    found: dict[int, bytes] = {}
    for partition, records in enumerate(topic.partitions):
        tracked = 0
        for record in records:
            source = parse_source(record)
            if not source.position:
                continue
            assert source.value == stored[source.position], f"{source.position} is another record in {topic.name}"
            assert partition_of(source.key, len(topic.partitions)) == partition
            if source.position > tracked:
                assert source.prev == tracked, f"{topic.name}/{partition} has a hole before {source.position}"
                tracked = source.position
            found[source.position] = source.value
    assert found.keys() == stored.keys(), f"{topic.name} lacks {sorted(stored.keys() - found.keys())[:5]}"


def _each_number_once(customer: list[Recorded], identity: list[Recorded], log: Log) -> None:
    numbered = [(event.customer, data) for event in identity if isinstance(data := event.data, NumberAssigned)]
    registered = {event.customer for event in customer if event.type == "customer.registered"}
    assert sorted(c for c, _ in numbered) == sorted(registered), "not every customer has exactly one number"
    serials = [data.serial for _, data in numbered]
    assert serials == list(range(1, len(serials) + 1)), "a serial is missing or out of turn"
    assert all(read(data.number).check_ok for _, data in numbered)
    state = Identities()
    for event in identity:
        if isinstance(event.data, NumberAssigned):
            state.admit(event.customer)
        else:
            evolve(state, event.data)
    tables = log.tables  # type: ignore[attr-defined]
    assert state.identity_of == tables["members"], "the tables are not what the identity log tells"
    assert (state.links, state.strengths) == (set(tables["links"]), dict(tables["weights"]))
    said = {**dict.fromkeys(state.same, "same"), **dict.fromkeys(state.bans, "never")}
    assert said == {ends: row.says for ends, row in tables["assertions"].items()}


def _only_garbage_is_parked(run: Simulation) -> None:
    for tables in (run.logs["identity"].tables, run.views.tables):
        parked = [record for _, record in tables["parked"].values()]
        assert all(record.position == 0 for record in parked), "what can be applied now is still parked"
        assert len({(record.source, record.offset) for record in parked}) == len(parked)
