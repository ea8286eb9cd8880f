"""Which records count as of an instant or a position."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.as_of import AsOf, parse
from shared.errors import Invalid
from shared.events.envelope import instant

NINE = "2026-11-22T09:00:00.000000Z"
instants = st.integers(0, 3 * 10**15).map(lambda n: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n))


@given(then=instants, recorded=instants)
def test_an_instant_takes_of_every_log_what_was_recorded_not_later(then: datetime, recorded: datetime) -> None:
    as_of = parse(then.isoformat()).found([])
    for log in ("customer", "identity", "notifications", "access"):
        assert as_of.takes(log, 1, instant(recorded)) == (recorded <= then)


def test_one_instant_has_one_text_whatever_its_zone() -> None:
    zone = timezone(timedelta(hours=8))
    texts = ("2026-11-22T09:00:00Z", "2026-11-22T17:00:00+08:00", datetime(2026, 11, 22, 17, tzinfo=zone).isoformat())
    assert {str(parse(text).found([])) for text in texts} == {NINE}


def test_a_position_takes_its_log_up_to_there_and_the_others_up_to_its_instant() -> None:
    as_of = parse("customer:120").found([NINE])
    assert as_of.takes("customer", 120, "2026-11-22T09:00:00.000001Z")
    assert not as_of.takes("customer", 121, "2026-11-22T08:00:00.000000Z")
    assert as_of.takes("identity", 500, NINE)
    assert not as_of.takes("identity", 1, "2026-11-22T09:00:00.000001Z")


def test_of_several_positions_the_latest_holds_for_the_other_logs() -> None:
    asked = parse("identity:80,customer:120")
    assert asked.positions == {"customer": 120, "identity": 80}
    as_of = asked.found(["2026-11-22T08:00:00.000000Z", NINE])
    assert (as_of.instant, str(as_of)) == (NINE, "customer:120,identity:80")


@given(then=instants)
def test_the_text_of_it_reads_back_as_the_same(then: datetime) -> None:
    for as_of in (AsOf(instant(then), {}), AsOf(instant(then), {"customer": 3, "identity": 4})):
        assert parse(str(as_of)).found([instant(then)]) == as_of


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-22", "2026-11-22T09:00:00", "0999-01-01T00:00:00Z", "customer:0", "customer:-1",
     "customer:", "customer:1,", "customer:1,customer:2", "access:1", "elsewhere:1", "customer:" + "9" * 30,
     "0001-01-01T00:00:00+14:00", "x" * 300],
)  # fmt: skip
def test_what_names_no_instant_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert [error["field"] for error in refused.value.errors] == ["as_of"]
