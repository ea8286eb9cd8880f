"""What a question to the trail means, and the order of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.embedded.errors import EmbeddedError
from deploy.trail.question import MOST_REASON, Place, Question, types_of
from shared.events.access import LoginFailed, PersonalDataRead
from shared.events.catalogue import LOGS
from tests.deploy.trail_records import found
from tests.support.events import an_id

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
READ = PersonalDataRead(operation="GET /customers/{ref}", fields=("name",))
ANN = an_id("ann")
RECORD = found(READ, NOON, actor="u1", customer=ANN).record


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        (Question(), True),
        (Question(actor="u1"), True),
        (Question(actor="u2"), False),
        (Question(customers=frozenset({ANN})), True),
        (Question(customers=frozenset({an_id("ben")})), False),
        (Question(customers=frozenset()), False),
        (Question(types=frozenset({READ.TYPE})), True),
        (Question(types=frozenset({LoginFailed.TYPE})), False),
        (Question(since=NOON, until=NOON + SECOND), True),
        (Question(since=NOON + SECOND), False),
        (Question(until=NOON), False),
        (Question(command=RECORD.command, correlation=RECORD.correlation), True),
        (Question(command=RECORD.correlation), False),
        (Question(correlation=RECORD.command), False),
        (Question(actor="u1", types=frozenset({LoginFailed.TYPE})), False),
    ],
)
def test_a_record_is_asked_for_if_everything_that_was_given_is_true_of_it(question: Question, asked: bool) -> None:
    assert question.matches(RECORD) is asked


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - as hypothesis asks
    st.sampled_from(sorted(LOGS)),
    st.integers(1, 10**12),
)
def test_a_cursor_names_its_place(at: datetime, log: str, position: int) -> None:
    place = Place(at, log, position)

    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "x", "2026-11-22~access~1", "2026-11-22T12:00:00Z~nothing~1", "~~"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(EmbeddedError, match="is no cursor"):
        Place.parse(text)


def test_a_star_stands_for_all_kinds_of_a_log() -> None:
    assert types_of(["access.*"]) == {contract.TYPE for contract in LOGS["access"]}
    assert types_of(["access.login_failed", "*.erasure_*"]) == {
        "access.login_failed",
        "customer.erasure_requested",
        "customer.erasure_refused",
        "customer.erasure_approved",
    }


def test_a_kind_that_means_nothing_is_refused_with_those_there_are() -> None:
    with pytest.raises(EmbeddedError, match=r"no kind of event 'access\.nothing'.*access\.login_failed"):
        types_of(["access.nothing"])


def test_a_question_is_described_in_ids_and_instants() -> None:
    question = Question(actor="u1", customers=frozenset({ANN}), since=NOON, logs=("access",))

    assert question.described() == f"actor=u1 customer={ANN} from=2026-11-22T12:00:00.000000Z log=access"
    assert Question().described() == "everything"


def test_a_long_question_is_described_by_its_digest_and_each_by_another() -> None:
    many = Question(customers=frozenset(an_id(str(n)) for n in range(20)))
    others = Question(customers=frozenset(an_id(str(n)) for n in range(21)))

    assert len(many.described()) == MOST_REASON
    assert " sha256=" in many.described()
    assert many.described() != others.described()
