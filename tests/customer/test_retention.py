"""How long which data are kept, and who is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.customer.domain.retention import CLASS_OF, KEEPS_NOTHING, POLICIES, Due, Kept, due
from shared.events.catalogue import LOGS
from tests.support.events import an_id

ANN, BEN = sorted((an_id("ann"), an_id("ben")))
REGISTERED, ORDERED, CALLED = "customer.registered", "order.paid", "interaction.recorded"
MARCH = datetime(2020, 3, 1, 12, tzinfo=UTC)


def kept(customer: str = ANN, identity: str = ANN, *, held: bool = False, requested: bool = False, **last: int) -> Kept:
    """Registered in March 2020, and so many days later this happened."""
    names = {"ordered": ORDERED, "called": CALLED}
    times = {names[name]: MARCH + timedelta(days=days) for name, days in last.items()}
    return Kept(customer, identity, {REGISTERED: MARCH, **times}, held, requested)


def test_every_event_of_the_customer_log_is_of_one_class_or_keeps_nothing() -> None:
    classified = [contract for policy in POLICIES for contract in policy.types]

    assert len(classified) == len(set(classified))
    assert {*classified, *KEEPS_NOTHING} == set(LOGS["customer"])
    assert not {contract.TYPE for contract in KEEPS_NOTHING} & CLASS_OF.keys()


@pytest.mark.parametrize(
    ("customer", "policy", "since"),
    [
        (kept(), "master", datetime(2022, 3, 1, 12, tzinfo=UTC)),
        (kept(called=10), "service", datetime(2024, 1, 1, tzinfo=UTC)),
        (kept(called=10, ordered=1), "orders", datetime(2031, 1, 1, tzinfo=UTC)),
        (kept(called=400), "service", datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_class_that_lasts_longest_decides_to_the_moment(customer: Kept, policy: str, since: datetime) -> None:
    assert list(due([customer], since - timedelta(microseconds=1))) == []
    assert list(due([customer], since)) == [Due(ANN, policy, since, "due")]


def test_nobody_is_due_while_another_customer_of_the_same_person_is_kept() -> None:
    later = datetime(2026, 1, 1, tzinfo=UTC)

    assert [one.customer for one in due([kept(), kept(BEN, BEN, ordered=1)], later)] == [ANN]
    assert list(due([kept(), kept(BEN, ANN, ordered=1)], later)) == []
    assert [one.customer for one in due([kept(), kept(BEN, ANN)], later)] == [ANN, BEN]


def test_who_is_held_or_requested_already_is_told_apart() -> None:
    later = datetime(2026, 1, 1, tzinfo=UTC)

    assert [one.state for one in due([kept(held=True, requested=True)], later)] == ["held"]
    assert [one.state for one in due([kept(requested=True)], later)] == ["requested"]


def test_who_registered_on_the_last_of_february_is_due_on_the_first_of_march() -> None:
    leap = Kept(ANN, ANN, {REGISTERED: datetime(2024, 2, 29, tzinfo=UTC)})

    assert list(due([leap], datetime(2026, 2, 28, 23, tzinfo=UTC))) == []
    assert [one.since for one in due([leap], datetime(2026, 3, 1, tzinfo=UTC))] == [datetime(2026, 3, 1, tzinfo=UTC)]
