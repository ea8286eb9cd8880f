"""What is left of an erased customer in MongoDB's operations log, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.projections.purged import LATEST, Left, Reach, left_in
from shared.events.envelope import instant, moment
from tests.projections.test_api import Api, served

__all__ = ["served"]
PURGED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def test_it_is_held_until_as_much_was_written_again_as_the_log_has_now() -> None:
    assert left_in(Reach(PURGED - DAY, PURGED + DAY), PURGED) == Left("held", instant(PURGED + LATEST + 2 * DAY))


def test_it_is_clear_once_the_oldest_operation_is_later_than_any_that_could_have_it() -> None:
    assert left_in(Reach(PURGED + LATEST, PURGED + DAY), PURGED).state == "held"
    assert left_in(Reach(PURGED + LATEST + timedelta(seconds=1), PURGED + DAY), PURGED) == Left("clear")


def test_where_nobody_may_look_nothing_is_claimed() -> None:
    assert left_in(None, PURGED) == Left("unknown")


@pytest.mark.server
async def test_whoever_erases_over_http_is_told_what_is_left_until_when(served: Api) -> None:
    path = f"/erasures/{served.gone}"
    assert (await served.get(path)).status_code == 404
    assert (await served.get(path, "operator")).status_code == 403

    await served.application.purge(served.gone)

    told = await served.read(path, "viewer")
    assert told["customer"] == served.gone
    assert told["operations_log"]["state"] == "held"
    assert moment(told["operations_log"]["until"]) > moment(told["purged_at"])
