"""What an account has seen of whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deploy.trail.exposure import COLUMNS, Exposure, asked
from shared.events.access import Exported, LoginFailed, PersonalDataRead
from tests.deploy.trail_records import found
from tests.support.events import an_id

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANN, BEN = sorted((an_id("ann"), an_id("ben")))
READ = "GET /customers/{ref}"


def read(*fields: str) -> PersonalDataRead:
    return PersonalDataRead(operation=READ, fields=fields)


RECORDS = [
    found(read("name"), NOON, customer=BEN, position=1),
    found(read("name"), NOON + SECOND, customer=ANN, position=2),
    found(Exported(what="directory", rows=7, watermark="w-1", reason="list"), NOON + 2 * SECOND, position=3),
    found(read("birth_date"), NOON + 3 * SECOND, customer=ANN, position=4),
]


def test_reads_are_grouped_by_customer_with_all_fields_the_first_and_the_last() -> None:
    told = Exposure.of(RECORDS).as_json()

    assert told["reads"] == 3
    assert [(each["customer"], each["fields"]) for each in told["customers"]] == [
        (ANN, ["birth_date", "name"]),
        (BEN, ["name"]),
    ]
    assert told["customers"][0]["first_at"] == "2026-11-22T12:00:01.000000Z"
    assert told["customers"][0]["last_at"] == "2026-11-22T12:00:03.000000Z"


def test_each_read_tells_by_which_request_and_what_for() -> None:
    first = Exposure.of(RECORDS).as_json()["customers"][0]["reads"][0]

    assert first["operation"] == READ
    assert (first["channel"], first["purpose"], first["position"]) == ("web", "service", 2)
    assert first["correlation"] == RECORDS[1].record.correlation


def test_files_that_left_are_told_with_their_watermark() -> None:
    (export,) = Exposure.of(RECORDS).exports

    assert (export["what"], export["rows"], export["watermark"], export["reason"]) == ("directory", 7, "w-1", "list")


def test_a_row_is_one_read_with_every_column() -> None:
    rows = list(Exposure.of(RECORDS).rows())

    assert [(row["customer"], row["fields"]) for row in rows] == [
        (ANN, ["name"]),
        (ANN, ["birth_date"]),
        (BEN, ["name"]),
    ]
    assert all(set(row) == set(COLUMNS) for row in rows)


def test_the_question_is_about_this_account_in_this_time() -> None:
    question = asked("u1", NOON, NOON + 3 * SECOND)

    assert [question.matches(each.record) for each in RECORDS] == [True, True, True, False]
    assert not question.matches(found(read("name"), NOON, actor="u2", customer=ANN).record)
    assert not question.matches(found(LoginFailed(reason="x", count=1), NOON).record)
