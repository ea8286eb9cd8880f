"""Which records are believed: those that a relay published, where it published them, in the epoch of the topic."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import metrics
from shared.audit.keys import MacKeys
from shared.authenticity import HEADER, NO_MAC, REPLAYED, UNKNOWN_KEY, WRONG_MAC, Admission, Authenticator
from shared.epoch import new_epoch
from shared.streaming import Received, RecordHead, build_headers

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
HEAD = RecordHead(
    id="e1", type="customer.registered", v=1, log="customer", customer="c1", recorded_at="2026-01-01T00:00:00.000000Z"
)
EPOCH, EARLIER = new_epoch(9), new_epoch(4)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
AUTHENTICATOR = Authenticator(MacKeys(1, {1: OLD}))


@dataclass(frozen=True)
class Record:
    """A record as a Kafka client hands it over."""

    headers: Sequence[tuple[str, bytes | None]] = ()
    topic: str = "customer.events"
    partition: int = 2
    offset: int = 40
    key: bytes | None = b"c1"
    value: bytes | None = b'{"customer":"c1"}'


def published(position: int = 7, prev: int = 3, epoch: str = EPOCH, by: Authenticator = AUTHENTICATOR) -> Record:
    record = Record()
    headers = build_headers(HEAD, position, prev, epoch)
    mac = by.sign(record.topic, record.partition, b"c1", b'{"customer":"c1"}', headers)
    return replace(record, headers=(*headers, mac))


def with_header(record: Record, name: str, value: bytes) -> Record:
    return replace(record, headers=tuple((n, value if n == name else v) for n, v in record.headers))


def test_a_record_that_a_relay_published_is_believed_wherever_it_lies_in_its_partition() -> None:
    assert AUTHENTICATOR.doubt(published()) is None
    assert AUTHENTICATOR.doubt(replace(published(), offset=9_000)) is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(published(), topic="identity.events"),
        replace(published(), partition=3),
        replace(published(), key=b"c2"),
        replace(published(), key=None),
        replace(published(), value=b'{"customer":"c2"}'),
        replace(published(), value=None),
        with_header(published(), "position", b"8"),
        with_header(published(), "position", b"07"),
        with_header(published(), "prev", b"4"),
        with_header(published(), "epoch", EARLIER.encode()),
        with_header(published(), "ce_id", b"e2"),
        replace(published(), headers=(("position", b"9"), *published().headers)),
        replace(published(), headers=published().headers[1:]),
        replace(published(8), headers=(*published(8).headers[:-1], published(7).headers[-1])),
    ],
)
def test_a_record_of_which_anything_was_changed_is_not_believed(changed: Record) -> None:
    assert AUTHENTICATOR.doubt(changed) == WRONG_MAC


@pytest.mark.parametrize(
    "headers",
    [(), published().headers[:-1], (*published().headers, ("more", b"")), ((HEADER, None),), (("MAC", b"1:00"),)],
)
def test_a_record_without_a_code_behind_its_headers_is_not_believed(
    headers: Sequence[tuple[str, bytes | None]],
) -> None:
    assert AUTHENTICATOR.doubt(Record(headers=headers)) == NO_MAC


@pytest.mark.parametrize("version", [b"", b"2", b"-1", b"x", b"9" * 30, "٣".encode()])
def test_a_code_of_an_unknown_key_is_not_believed(version: bytes) -> None:
    _, mac = published().headers[-1]
    _, _, code = (mac or b"").partition(b":")
    assert AUTHENTICATOR.doubt(with_header(published(), HEADER, version + b":" + code)) == UNKNOWN_KEY


def test_a_code_made_with_another_key_of_the_same_version_is_wrong() -> None:
    assert AUTHENTICATOR.doubt(published(by=Authenticator(MacKeys(1, {1: OTHER})))) == WRONG_MAC


def test_records_under_an_older_key_are_believed_until_it_is_taken_out() -> None:
    rotated = Authenticator(MacKeys(2, {1: OLD, 2: NEW}))

    assert rotated.doubt(published()) is None
    assert rotated.doubt(published(by=rotated)) is None
    assert AUTHENTICATOR.doubt(published(by=rotated)) == UNKNOWN_KEY
    assert Authenticator(MacKeys(2, {2: NEW})).doubt(published()) == UNKNOWN_KEY


@UNHURRIED
@given(
    st.lists(st.tuples(st.text(), st.none() | st.binary())) | st.binary().map(lambda mac: [(HEADER, mac)]),
    st.none() | st.binary(),
    st.none() | st.binary(),
)
def test_whatever_a_record_holds_it_is_doubted_without_an_error(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    assert AUTHENTICATOR.doubt(Record(headers=headers, key=key, value=value)) is not None


@UNHURRIED
@given(st.data())
def test_two_records_have_one_code_only_if_they_are_the_same(data: st.DataObject) -> None:
    def drawn() -> tuple[Any, ...]:
        headers = st.lists(st.tuples(st.text(max_size=2), st.binary(max_size=2)), max_size=2)
        return tuple(
            data.draw(s) for s in (st.text(max_size=2), st.integers(0, 2), *[st.binary(max_size=2)] * 2, headers)
        )

    one, two = drawn(), drawn()

    assert (AUTHENTICATOR.sign(*one) == AUTHENTICATOR.sign(*two)) == (one == two)


class Topic:
    """Tells the epoch that a topic holds, and how often it was asked."""

    def __init__(self, epoch: str = EPOCH) -> None:
        self.epoch = epoch
        self.asked: list[tuple[str, set[int]]] = []

    async def first_epochs(self, topic: str, partitions: Collection[int]) -> Mapping[int, str]:
        self.asked.append((topic, set(partitions)))
        return dict.fromkeys(partitions, self.epoch)


async def test_forged_records_are_refused_counted_and_told_in_one_line() -> None:
    one, two = published(7, 3), published(9, 7)
    forged = [replace(two, headers=two.headers[:-1], offset=offset) for offset in (50, 51)]
    counter = metrics.RECORDS_FORGED.labels("customer.events")
    before = counter._value.get()

    with structlog.testing.capture_logs() as told:
        believed = await Admission(AUTHENTICATOR, Topic().first_epochs).admit([one, *forged, two])

    assert believed == [one, two]
    assert counter._value.get() - before == 2
    assert told == [
        {
            "event": "records_refused",
            "log_level": "error",
            "topic": "customer.events",
            "partition": 2,
            "offset": 50,
            "last_offset": 51,
            "records": 2,
            "reason": NO_MAC,
        }
    ]


async def test_a_copy_of_a_true_record_of_an_earlier_topic_is_refused() -> None:
    topic = Topic()
    admission = Admission(AUTHENTICATOR, topic.first_epochs)
    true, copy = published(), published(2, 0, EARLIER)

    assert await admission.admit([true]) == [true]
    with structlog.testing.capture_logs() as told:
        assert await admission.admit([copy]) == []
    assert [line["reason"] for line in told] == [REPLAYED]


async def test_a_topic_made_anew_is_believed_and_asked_for_once_only() -> None:
    topic = Topic(EARLIER)
    admission = Admission(AUTHENTICATOR, topic.first_epochs)
    old, new = published(2, 0, EARLIER), published()

    assert await admission.admit([old]) == [old]
    topic.epoch = EPOCH
    assert await admission.admit([new]) == [new]
    assert await admission.admit([new]) == [new]
    assert topic.asked == [("customer.events", {2})] * 2


async def test_a_reader_from_the_beginning_believes_the_epoch_of_the_first_record() -> None:
    admission = Admission(AUTHENTICATOR)
    first, copy, last = published(3, 0), published(2, 0, EARLIER), published(7, 3)
    believed: list[Received] = await admission.admit([replace(copy, headers=()), first, copy])

    assert believed == [first]
    assert await admission.admit([copy, last]) == [last]


async def test_nothing_is_believed_while_the_topic_cannot_be_looked_at() -> None:
    async def away(_: str, __: Collection[int]) -> Mapping[int, str]:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await Admission(AUTHENTICATOR, away).admit([published()])
