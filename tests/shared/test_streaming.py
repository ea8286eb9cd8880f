"""Placing records on the wire, and deciding their fate: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import streaming
from shared.epoch import NO_MARK, Mark, head_of, new_epoch, parse_epoch
from shared.streaming import Advance, RecordHead, Source, build_headers, parse_source, plan
from shared.topics import murmur2, partition_of

HEAD = RecordHead(
    id="e1", type="customer.registered", v=1, log="customer", customer="c1", recorded_at="2026-01-01T00:00:00.000000Z"
)
EPOCH = "4-0190aaaa-0000-7000-8000-000000000001"
NEXT_EPOCH = "6-0190aaaa-0000-7000-8000-000000000002"


@dataclass
class Record:
    offset: int = 0
    key: bytes | None = b"c1"
    value: bytes | None = b"{}"
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=lambda: build_headers(HEAD, 7, 3))
    topic: str = "customer.events"
    partition: int = 2


def source(
    position: int, prev: int, key: str = "a", *, offset: int | None = None, name: str = "t/0", mark: Mark = NO_MARK
) -> Source:
    topic, _, partition = name.partition("/")
    at = position if offset is None else offset
    return Source(name, topic, int(partition), at, position, prev, key, b"v", mark=mark)


@pytest.mark.parametrize(
    ("key", "expected"),
    # The vectors of Kafka's own UtilsTest.testMurmur2.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


@given(st.binary(max_size=80), st.integers(1, 500))
def test_the_partition_is_that_of_the_default_partitioner(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions


def test_a_text_key_and_its_bytes_have_one_partition() -> None:
    assert partition_of("änne", 12) == partition_of("änne".encode(), 12)


def test_headers_come_back_as_they_were_built() -> None:
    placed = parse_source(Record(offset=9, headers=build_headers(HEAD, 7, 3, EPOCH)))
    assert placed == Source("customer.events/2", "customer.events", 2, 9, 7, 3, "c1", b"{}", mark=Mark(EPOCH, "e1"))
    assert dict(build_headers(HEAD, 7, 3, EPOCH)) == {
        "ce_specversion": b"1.0",
        "ce_id": b"e1",
        "ce_type": b"customer.registered.v1",
        "ce_source": b"/custlog/customer",
        "ce_subject": b"c1",
        "ce_time": b"2026-01-01T00:00:00.000000Z",
        "content-type": b"application/json",
        "position": b"7",
        "prev": b"3",
        "epoch": EPOCH.encode(),
    }


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("position", b"1")],
        [("position", b"x"), ("prev", b"0")],
        [("position", b"-1"), ("prev", b"0")],
        [("position", b"3"), ("prev", b"3")],
        [("position", b"0"), ("prev", b"0")],
        [("position", "٣".encode()), ("prev", b"0")],
        [("position", b"9" * 30), ("prev", b"0")],
        [("position", None), ("prev", b"0")],
        [("position", b"\xff"), ("prev", b"\xfe")],
    ],
)
def test_a_record_without_a_place_is_marked_and_blocks_no_customer(headers: list[tuple[str, bytes | None]]) -> None:
    placed = parse_source(Record(offset=9, headers=headers))
    assert (placed.reason, placed.position, placed.key) == (streaming.NO_HEADERS, 0, "customer.events/2@9")


@pytest.mark.parametrize(
    ("record", "reason", "key"),
    [
        (Record(key=None), streaming.NO_KEY, "customer.events/2@0"),
        (Record(key=b"\xff"), streaming.NO_KEY, "customer.events/2@0"),
        (Record(key=b"c\x001"), streaming.NO_KEY, "customer.events/2@0"),
        (Record(key=b"c" * 257), streaming.NO_KEY, "customer.events/2@0"),
        (Record(value=None), streaming.NO_VALUE, "c1"),
    ],
)
def test_an_unusable_record_with_a_place_is_parked_without_leaving_a_hole(
    record: Record, reason: str, key: str
) -> None:
    placed = parse_source(record)
    assert (placed.reason, placed.position, placed.key) == (reason, 7, key)
    decided = plan([placed], {placed.name: 3}, ())
    assert [parked.reason for parked in decided.park] == [reason]
    assert decided.positions == {placed.name: Advance(3, 7, 1, Mark(event="e1"))}


@given(st.lists(st.tuples(st.text(), st.none() | st.binary())), st.none() | st.binary(), st.none() | st.binary())
def test_no_content_makes_placing_a_record_fail(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    parse_source(Record(headers=headers, key=key, value=value))


def test_records_read_before_are_dropped_also_within_a_batch() -> None:
    decided = plan([source(1, 0), source(2, 1), source(2, 1, offset=9), source(5, 2)], {"t/0": 1}, ())
    assert [s.position for s in decided.apply] == [2, 5]
    assert decided.duplicates == 2
    assert decided.positions == {"t/0": Advance(1, 5, 6)}


def test_a_batch_of_duplicates_only_moves_the_offset() -> None:
    decided = plan([source(3, 1, offset=40)], {"t/0": 8}, ())
    assert (decided.apply, decided.positions) == ([], {"t/0": Advance(8, 8, 41)})


def test_a_hole_ends_its_partition_and_no_other() -> None:
    batch = [source(1, 0), source(4, 3), source(5, 4), source(2, 0, name="t/1")]
    decided = plan(batch, {}, ())
    assert [(s.name, s.position) for s in decided.apply] == [("t/0", 1), ("t/1", 2)]
    assert [(hole.topic, hole.partition, hole.tracked) for hole in decided.holes] == [("t", 0, 1)]
    assert decided.positions["t/0"] == Advance(0, 1, 2)


def test_records_of_a_blocked_key_are_parked_in_order_and_others_flow() -> None:
    decided = plan([source(1, 0, "a"), source(2, 1, "b"), source(3, 2, "a")], {}, {"a"})
    assert [s.key for s in decided.apply] == ["b"]
    assert [(p.source.position, p.reason) for p in decided.park] == [(1, streaming.BEHIND), (3, streaming.BEHIND)]
    assert decided.positions == {"t/0": Advance(0, 3, 4)}


def test_parking_a_failed_record_takes_the_later_ones_of_its_key_along() -> None:
    decided = plan([source(n, n - 1, key) for n, key in enumerate("abab", 1)], {}, ())
    parked = decided.parking(decided.apply[0], "it failed")
    assert [s.position for s in parked.apply] == [2, 4]
    assert [(p.source.position, p.reason) for p in parked.park] == [(1, "it failed"), (3, streaming.BEHIND)]
    assert parked.positions == decided.positions


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Source], list[list[Source]]]:
    """A log over three partitions, and batches that go back to earlier offsets at their borders."""
    log: list[Source] = []
    by_partition: list[list[Source]] = [[], [], []]
    for position, (partition, letter) in enumerate(
        draw(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), min_size=1, max_size=25)), 1
    ):
        records = by_partition[partition]
        prev = records[-1].position if records else 0
        records.append(source(position, prev, f"{partition}{letter}", offset=len(records), name=f"t/{partition}"))
        log.append(records[-1])
    batches: list[list[Source]] = []
    reached = [0, 0, 0]
    for back, forward, order in draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.permutations(range(3))))
    ):
        batch: list[Source] = []
        for partition in order:
            end = reached[partition] + forward
            batch += by_partition[partition][max(0, reached[partition] - back) : end]
            reached[partition] = min(end, len(by_partition[partition]))
        batches.append(batch)
    return log, [*batches, [record for records in by_partition for record in records]]


@settings(max_examples=300)
@given(deliveries(), st.sampled_from([None, "0a", "1b"]))
def test_any_redelivery_takes_each_position_once_and_in_order_per_key(
    delivered: tuple[list[Source], list[list[Source]]], poison: str | None
) -> None:
    log, batches = delivered
    positions: dict[str, int] = {}
    blocked: set[str] = set()
    taken: list[Source] = []
    for batch in batches:
        decided = plan(batch, positions, blocked)
        failed = next((s for s in decided.apply if s.key == poison), None)
        if failed is not None:
            decided = decided.parking(failed, "it failed")
        assert not decided.holes
        assert len(decided.apply) + len(decided.park) + decided.duplicates == len(batch)
        for name, move in decided.positions.items():
            assert move.expected == positions.get(name, 0) <= move.position
            positions[name] = move.position
        blocked |= {parked.source.key for parked in decided.park}
        taken += decided.apply + [parked.source for parked in decided.park]
    assert sorted(s.position for s in taken) == [s.position for s in log]
    for key in {s.key for s in log}:
        assert [s.position for s in taken if s.key == key] == [s.position for s in log if s.key == key]


@settings(max_examples=200)
@given(st.lists(st.booleans(), min_size=2, max_size=12))
def test_a_lost_record_is_never_passed_over(kept: list[bool]) -> None:
    log = [source(n, n - 1) for n in range(1, len(kept) + 1)]
    batch = [record for record, keep in zip(log, kept, strict=True) if keep]
    decided = plan(batch, {}, ())
    prefix = kept.index(False) if False in kept else len(kept)
    assert [s.position for s in decided.apply] == list(range(1, prefix + 1))
    assert bool(decided.holes) == any(kept[prefix:])


def test_a_received_record_may_be_any_object_with_the_fields() -> None:
    record = SimpleNamespace(topic="t", partition=0, offset=1, key=b"k", value=b"v", headers=())
    assert parse_source(record).reason == streaming.NO_HEADERS


def of_epoch(epoch: str, *positions: int, history: str = "a") -> list[Source]:
    """The records of a partition with these positions, as one epoch publishes them."""
    before = (0, *positions)
    return [
        source(position, prev, mark=Mark(epoch, f"{history}{position}"))
        for prev, position in zip(before, positions, strict=False)
    ]


def test_a_log_that_is_published_again_is_dropped_up_to_where_it_was_known_and_then_applied() -> None:
    decided = plan(of_epoch(NEXT_EPOCH, 1, 3, 5, 9), {"t/0": 5}, (), {"t/0": Mark(EPOCH, "a5")})
    assert [taken.position for taken in decided.apply] == [9]
    assert (decided.foreign, decided.holes, decided.duplicates) == ([], [], 3)
    assert decided.positions == {"t/0": Advance(5, 9, 10, Mark(NEXT_EPOCH, "a9"))}


def test_an_epoch_is_not_entered_in_its_middle() -> None:
    marks = {"t/0": Mark(EPOCH, "a5")}
    decided = plan(of_epoch(NEXT_EPOCH, 5, 9)[1:], {"t/0": 5}, (), marks)
    assert ([hole.tracked for hole in decided.holes], decided.apply) == ([5], [])
    behind = plan(of_epoch(NEXT_EPOCH, 1, 3), {"t/0": 5}, (), marks)
    assert behind.positions == {"t/0": Advance(5, 5, 4, Mark(EPOCH, "a5"))}


@pytest.mark.parametrize(
    ("batch", "at"),
    [
        (of_epoch(NEXT_EPOCH, 1, 3, 5, 9, history="b"), 5),  # another event stands there
        (of_epoch(NEXT_EPOCH, 1, 3), 7),  # the log ended at 6 when the epoch began
        (of_epoch(EPOCH, 5, history="b"), 5),
    ],
)
def test_what_was_applied_of_a_lost_history_is_noticed(batch: list[Source], at: int) -> None:
    decided = plan(batch, {"t/0": at}, (), {"t/0": Mark(EPOCH, f"a{at}")})
    assert [foreign.tracked for foreign in decided.foreign] == [at]
    assert decided.apply == []


def test_an_epoch_is_named_by_the_end_of_its_log_and_like_no_other() -> None:
    epoch = new_epoch(12)
    assert (head_of(epoch), parse_epoch(epoch.encode())) == (12, epoch)
    assert new_epoch(12) != epoch
    assert [parse_epoch(wrong) for wrong in (None, b"", b"x", b"12", b"1" * 30 + epoch.encode())] == [""] * 5
