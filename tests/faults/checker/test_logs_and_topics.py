"""I2, I3 and I11: logs, topics and the inboxes of consumers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_values

from tests.faults.checker import inboxes, logs, topics
from tests.faults.checker.evidence import Evidence, Fault, Logged, OnTopic, Parked
from tests.faults.checker.examples import ADA, whole
from tests.faults.checker.finding import Finding

TOPIC = "customer.events"


def with_log(*rows: Logged) -> Evidence:
    return replace(whole(), logs={**whole().logs, "customer": rows})


def with_topic(*records: OnTopic) -> Evidence:
    return replace(whole(), topics={**whole().topics, TOPIC: records})


def said(finding: Finding) -> str:
    return " ".join(finding.violations)


ROWS = list(whole().logs["customer"])
RECORDS = list(whole().topics[TOPIC])


def test_a_missing_or_doubled_row_breaks_i2() -> None:
    assert said(logs.judge(whole())) == ""
    assert "positions of the customer log are not gapless: 2 is missing" in said(
        logs.judge(with_log(ROWS[0], *ROWS[2:]))
    )
    assert "1 is there twice" in said(logs.judge(with_log(ROWS[0], *ROWS)))


def test_a_gap_in_a_stream_breaks_i2() -> None:
    moved = replace(ROWS[3], seq=3)

    assert f"versions of customer-{ADA} in the customer log" in said(logs.judge(with_log(*ROWS[:3], moved, *ROWS[4:])))


def test_an_id_that_stands_twice_or_a_record_in_a_foreign_row_breaks_i2() -> None:
    first, second = ROWS[0], ROWS[1]
    assert first.event is not None
    assert second.event is not None
    same = replace(second, event=with_values(second.event, id=first.event.id))
    foreign = replace(second, stream="customer-x")

    assert "Event id" in said(logs.judge(with_log(first, same, *ROWS[2:])))
    assert "another log, stream" in said(logs.judge(with_log(first, foreign, *ROWS[2:])))


def test_a_record_that_cannot_be_read_breaks_i2_unless_a_newer_build_was_made_to_write_it() -> None:
    newer = Fault(0, 1.0, "unknown_version", "customer", "end", {"log": "customer", "customer": ADA, "position": 4})
    for trouble, violations in (("UnknownEvent", ""), ("BadSeal", "The record at customer 4 cannot be read: BadSeal.")):
        rows = [replace(row, event=None, trouble=trouble) if row.position == 4 else row for row in ROWS]
        assert f"cannot be read: {trouble}" in said(logs.judge(with_log(*rows)))
        assert said(logs.judge(replace(with_log(*rows), faults=[newer]))) == violations


def test_a_repeated_record_is_counted_and_no_violation() -> None:
    again = replace(RECORDS[0], offset=99)
    found = topics.judge(with_topic(*RECORDS, again))

    assert said(found) == ""
    assert found.figures["duplicates_in_topics"][TOPIC] == 1


@pytest.mark.parametrize(
    ("damaged", "sentence"),
    [
        (RECORDS[1:], "The record at position 1 of the log is not in customer.events."),
        ([replace(RECORDS[0], value=b"{}"), *RECORDS[1:]], "its bytes are not those of position 1"),
        ([replace(RECORDS[0], key=b"x"), *RECORDS[1:]], "its key is not the customer of position 1"),
        ([replace(RECORDS[0], partition=11), *RECORDS[1:]], "position 1 belongs into partition"),
        ([*RECORDS, replace(RECORDS[0], headers={})], "holds a record (position None) that is not in the log"),
        ([*RECORDS, replace(RECORDS[0], headers={"position": b"77"})], "(position 77) that is not in the log"),
    ],
)
def test_a_topic_that_differs_from_its_log_breaks_i3(damaged: list[OnTopic], sentence: str) -> None:
    assert sentence in said(topics.judge(with_topic(*damaged)))


def test_headers_that_do_not_agree_break_i3() -> None:
    for header, sentence in (("prev", "says prev 9"), ("ce_id", "headers ce_id do not agree"), ("ce_time", "ce_time")):
        wrong = replace(RECORDS[0], headers={**RECORDS[0].headers, header: b"9"})
        assert sentence in said(topics.judge(with_topic(wrong, *RECORDS[1:])))


def test_records_out_of_order_break_i3() -> None:
    of_ada = [record for record in RECORDS if record.key == ADA.encode()]
    others = [record for record in RECORDS if record.key != ADA.encode()]

    assert "comes after" in said(topics.judge(with_topic(*reversed(of_ada), *others)))


GARBAGE = OnTopic(TOPIC, 3, 500, None, b"{", {})
INJECTED = Fault(0, 1.0, "garbage", TOPIC, "end", {"topic": TOPIC, "partition": 3, "offset": 500})
FOLLOWING = replace(RECORDS[-1], offset=501, headers={**RECORDS[-1].headers, "position": b"77", "forged": b"1"})


@pytest.mark.parametrize("became", ["end", "failed"])
@pytest.mark.parametrize("strange", [GARBAGE, FOLLOWING])
def test_a_forged_record_is_no_violation_where_nobody_believed_it(strange: OnTopic, became: str) -> None:
    evidence = replace(with_topic(*RECORDS, strange), faults=[replace(INJECTED, became=became)])

    assert said(topics.judge(evidence)) == said(inboxes.judge(evidence)) == ""
    assert "is not in the log" in said(topics.judge(replace(evidence, faults=[])))


def test_a_forged_record_that_was_put_aside_or_moved_a_consumer_breaks_i11() -> None:
    evidence = replace(with_topic(*RECORDS, GARBAGE, FOLLOWING), faults=[INJECTED])
    source = f"{TOPIC}/{FOLLOWING.partition}"
    moved = {**whole().positions, "identity": {**whole().positions["identity"], source: 77}}
    put_aside = {"projections": [Parked(f"{TOPIC}/3", 0, 500, f"{TOPIC}/3@500")]}

    assert f"Consumer identity stands at 77 of {source}" in said(inboxes.judge(replace(evidence, positions=moved)))
    assert "Consumer projections has put aside offset 500" in said(inboxes.judge(replace(evidence, parked=put_aside)))


def test_a_record_put_aside_for_no_reason_breaks_i11() -> None:
    parked = {"identity": [Parked(f"{TOPIC}/3", 1, 0, ADA)]}

    assert said(inboxes.judge(replace(whole(), parked=parked))) == (
        f"Consumer identity has put aside position 1 of {TOPIC}/3 for no reason."
    )


def test_a_consumer_that_stands_elsewhere_breaks_i11() -> None:
    source, end = next(iter(whole().positions["identity"].items()))
    behind = {**whole().positions, "identity": {**whole().positions["identity"], source: end - 1}}

    assert f"stands at {end - 1} of {source}, which ends at {end}" in said(
        inboxes.judge(replace(whole(), positions=behind))
    )
    assert "Consumer projections stands at 0" in said(inboxes.judge(replace(whole(), positions={})))


def unknown_version() -> tuple[Evidence, str, OnTopic]:
    """Ada's last record but one cannot be read by this build."""
    rows = [replace(row, event=None) if row.position == 4 else row for row in ROWS]
    record = next(record for record in RECORDS if record.position == 4)
    return with_log(*rows), f"{TOPIC}/{record.partition}", record


def test_what_comes_after_an_unreadable_record_of_a_key_is_put_aside_too() -> None:
    evidence, source, _ = unknown_version()
    root, later = Parked(source, 4, 0, ADA), Parked(source, 5, 0, ADA)
    both = {"identity": [root, later], "projections": [root, later]}

    assert said(inboxes.judge(replace(evidence, parked=both))) == ""
    assert "identity has not put aside position 5" in said(
        inboxes.judge(replace(evidence, parked={**both, "identity": [root]}))
    )


def test_records_of_that_key_on_another_topic_may_be_put_aside() -> None:
    evidence, source, record = unknown_version()
    rows = [Parked(source, 4, 0, ADA), Parked(source, 5, 0, ADA)]
    elsewhere = Parked(f"identity.events/{record.partition}", 1, 0, ADA)
    parked = {"identity": rows, "projections": [*rows, elsewhere]}

    assert said(inboxes.judge(replace(evidence, parked=parked))) == ""
