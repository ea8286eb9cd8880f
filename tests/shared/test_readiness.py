"""What services say of themselves: unknown is never fine, and a relay that stands still is seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.audit.sequencer import SequencerStatus
from shared.errors import Unavailable
from shared.http import Readiness
from shared.readiness import (
    STUCK_SECONDS,
    Auditing,
    Consuming,
    Health,
    Publishing,
    Sample,
    check_audit,
    check_relay,
    consumer_lag,
    sample,
)
from shared.relay import RelayStatus
from shared.subscription import Subscription

NOTHING: Any = None


class Reading(Subscription):
    """A subscription as it looks while it runs, without a broker."""

    def __init__(
        self, lags: dict[tuple[str, int], int | None], *topics: str, running: bool = True, gone: str = ""
    ) -> None:
        super().__init__(NOTHING, topics, NOTHING, NOTHING)
        self.state = "running" if running else "starting"
        self.lags = lags
        self.gone = {gone} - {""}

    def absent(self) -> set[str]:
        return self.gone

    def lag(self) -> dict[tuple[str, int], int | None]:
        return self.lags


async def fine() -> str:
    return "ok"


async def test_a_service_is_ready_when_everything_answers() -> None:
    async def parked() -> tuple[int, list[str]]:
        return 3, ["k"]

    health = Health({"postgres": fine}, consuming=Consuming("c", Reading({("t", 0): 0}, "t")), parked=parked)

    ready = await health()

    assert (ready.ok, ready.checks, ready.lag, ready.parked) == (
        True,
        {"postgres": "ok", "consumer": "ok"},
        {"consumer t": 0},
        3,
    )


@pytest.mark.parametrize(
    ("error", "reason"), [(Unavailable("x"), "does not answer"), (ValueError("SECRET"), "fails: ValueError")]
)
async def test_what_fails_is_told_in_few_words(error: Exception, reason: str) -> None:
    async def failing() -> str:
        raise error

    ready = await Health({"postgres": fine, "keyring": failing}, parked=failing)()  # type: ignore[arg-type]

    assert (ready.ok, ready.checks) == (False, {"postgres": "ok", "keyring": reason})


async def test_what_hangs_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.readiness.ANSWER_SECONDS", 0.01)

    async def hanging() -> str:
        await asyncio.Event().wait()
        return "ok"

    assert (await Health({"postgres": hanging})()).checks == {"postgres": "does not answer"}


@pytest.mark.parametrize(
    ("reading", "lag"),
    [
        (Reading({("a", 0): 2, ("a", 1): 3, ("b", 0): 0}, "a", "b"), {"consumer a": 5, "consumer b": 0}),
        (Reading({("a", 0): 2, ("a", 1): None, ("b", 0): 0}, "a", "b"), {"consumer a": None, "consumer b": 0}),
        (Reading({("a", 1): None, ("a", 0): 2}, "a"), {"consumer a": None}),
        (Reading({}, "a", running=False), {"consumer a": None}),
        (Reading({("a", 0): 2}, "a", "b"), {"consumer a": 2, "consumer b": 0}),
        (Reading({("a", 0): 2}, "a", "b", gone="b"), {"consumer a": 2, "consumer b": None}),
    ],
)
async def test_a_lag_is_unknown_until_every_partition_was_fetched(reading: Reading, lag: dict[str, int | None]) -> None:
    assert consumer_lag(Consuming("c", reading)) == lag


async def test_an_unknown_lag_is_none_and_not_ready() -> None:
    ready = await Health({}, consuming=Consuming("c", Reading({("t", 0): None}, "t")))()

    assert (ready.ok, ready.lag) == (False, {"consumer t": None})
    assert ready.checks == {"consumer": "lag not known yet: consumer t"}


class Relaying:
    """A relay that says the same all the time."""

    def __init__(self, **status: Any) -> None:
        self._status = RelayStatus(**status)

    def status(self) -> RelayStatus:
        return self._status


async def told_of(relay: Any, head: int = 7) -> Readiness:
    async def newest() -> int:
        return head

    return await Health({}, publishing=Publishing("log", "t", newest, lambda: relay))()


async def test_the_lag_of_a_relay_is_to_the_head_of_the_log_and_not_to_what_it_saw_of_it() -> None:
    ready = await told_of(Relaying(state="leading", position=4, head=4, known=True))

    assert (ready.ok, ready.lag) == (True, {"relay t": 3})


async def test_a_relay_that_has_not_begun_is_not_ready_and_one_that_stands_by_has_no_lag_of_its_own() -> None:
    for relay in (None, Relaying()):
        ready = await told_of(relay)
        assert (ready.ok, ready.checks, ready.lag) == (False, {"relay": "starting"}, {"relay t": None})
    ready = await told_of(Relaying(state="standby"))
    assert (ready.ok, ready.lag) == (True, {})


async def test_a_lag_is_unknown_while_the_log_does_not_answer() -> None:
    async def newest() -> int:
        raise Unavailable("away")

    relay: Any = Relaying(state="leading", position=4, head=4, known=True)
    ready = await Health({}, publishing=Publishing("log", "t", newest, lambda: relay))()

    assert (ready.ok, ready.lag) == (False, {"relay t": None})


def test_a_relay_does_not_know_its_lag_before_it_has_read_its_place() -> None:
    assert RelayStatus().lag is None
    assert RelayStatus("leading", "", 3, 5, known=True).lag == 2


@pytest.mark.parametrize(
    ("status", "lag", "still", "said"),
    [
        (RelayStatus("leading", known=True), 0, 1000.0, "ok"),
        (RelayStatus("leading", known=True), 7, STUCK_SECONDS - 0.1, "ok"),
        (
            RelayStatus("leading", known=True),
            7,
            STUCK_SECONDS,
            "7 records have waited for 10 s and none was published",
        ),
        (RelayStatus("leading", known=True), None, 0.0, "lag not known"),
        (RelayStatus("standby"), None, 0.0, "ok"),
        (RelayStatus("retrying", "KafkaError"), 3, 0.0, "retrying: KafkaError"),
        (RelayStatus("starting"), None, 0.0, "starting"),
    ],
)
def test_a_relay_is_ready_while_it_publishes_what_waits(
    status: RelayStatus, lag: int | None, still: float, said: str
) -> None:
    assert check_relay(status, lag, still) == said


def test_time_runs_while_records_wait_at_one_position() -> None:
    seen = sample(None, 5, 0, 0.0)
    assert seen == Sample(5, waiting=False, since=0.0)
    # However long nothing waited: it counts from when something was seen waiting.
    seen = sample(seen, 5, 2, 3600.0)
    assert seen.since == 3600.0
    seen = sample(seen, 5, 4, 3604.0)
    assert seen.since == 3600.0
    seen = sample(seen, 6, 3, 3605.0)
    assert seen.since == 3605.0
    assert sample(seen, 6, 0, 3606.0).since == 3606.0
    assert sample(seen, 6, None, 3606.0).since == 3606.0


@pytest.mark.parametrize(
    ("status", "head", "still", "told"),
    [
        (SequencerStatus("signing", size=5), 5, 99.0, "ok"),
        (SequencerStatus("signing", size=5), 7, STUCK_SECONDS - 1, "ok"),
        (SequencerStatus("signing", size=5), 7, 12.0, "2 records have waited for 12 s and none was signed"),
        (SequencerStatus("signing", size=5), None, 99.0, "ok"),
        (SequencerStatus("signing", size=5, refused="two histories"), 5, 0.0, "refused: two histories"),
        (SequencerStatus("held", "the log ends at position 4"), 5, 0.0, "held: the log ends at position 4"),
        (SequencerStatus("retrying", "OperationalError"), None, 0.0, "retrying: OperationalError"),
        (SequencerStatus(), 0, 0.0, "starting"),
    ],
)
def test_a_sequencer_is_fine_while_what_is_committed_is_signed(
    status: SequencerStatus, head: int | None, still: float, told: str
) -> None:
    assert check_audit(status, head, still) == told


async def test_a_sequencer_that_has_not_begun_is_not_fine() -> None:
    async def head() -> int:
        return 0

    ready = await Health({}, auditing=Auditing(head, lambda: None))()

    assert (ready.ok, ready.checks) == (False, {"audit": "starting"})
