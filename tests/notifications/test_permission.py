"""Whether a person may be written to, by what their customers said last."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.rules.permission import (
    CONSENT_WITHDRAWN,
    NO_CONSENT,
    OBJECTED,
    RESTRICTED,
    Word,
    refusal,
    words,
)
from shared.events import customer as says
from shared.events.envelope import Contract
from tests.support.events import an_id, recorded

ANN, BEN = an_id("ann"), an_id("ben")
GIVEN = says.ConsentGiven(purpose="marketing", channel="spool", text_version="v1")
WITHDRAWN = says.ConsentWithdrawn(purpose="marketing", channel="spool")
OBJECTION = says.ObjectionRaised(purpose="marketing")
TAKEN_BACK = says.ObjectionWithdrawn(purpose="marketing")
RESTRICTION = says.ProcessingRestricted(reason="contested")
LIFTED = says.RestrictionLifted(reason="verified")


def said(*events: Contract, customer: str = ANN, first: int = 1) -> list[Word]:
    return words(
        msgspec.structs.replace(recorded(event, customer), position=position)
        for position, event in enumerate(events, start=first)
    )


@pytest.mark.parametrize(
    ("events", "marketing", "care"),
    [
        ((), NO_CONSENT, None),
        ((GIVEN,), None, None),
        ((GIVEN, WITHDRAWN), CONSENT_WITHDRAWN, None),
        ((WITHDRAWN, GIVEN), None, None),
        ((GIVEN, OBJECTION), OBJECTED, None),
        ((GIVEN, OBJECTION, TAKEN_BACK), None, None),
        ((GIVEN, RESTRICTION), RESTRICTED, RESTRICTED),
        ((GIVEN, RESTRICTION, LIFTED), None, None),
        ((says.ConsentGiven(purpose="marketing", channel="email", text_version="v1"),), NO_CONSENT, None),
        ((says.ConsentWithdrawn(purpose="customer_care", channel="spool"),), NO_CONSENT, CONSENT_WITHDRAWN),
        ((says.ObjectionRaised(purpose="customer_care"),), NO_CONSENT, OBJECTED),
    ],
)
def test_the_last_word_decides(events: tuple[Contract, ...], marketing: str | None, care: str | None) -> None:
    assert refusal(said(*events), "marketing", "spool") == marketing
    assert refusal(said(*events), "customer_care", "spool") == care


def test_what_needs_consent_is_a_matter_of_the_set_up() -> None:
    assert refusal((), "customer_care", "spool", {"customer_care"}) == NO_CONSENT
    assert refusal((), "marketing", "spool", ()) is None


def test_a_no_of_one_customer_holds_for_the_person_and_the_last_consent_of_any_counts() -> None:
    assert refusal([*said(GIVEN), *said(RESTRICTION, customer=BEN, first=9)], "marketing", "spool") == RESTRICTED
    assert refusal([*said(GIVEN), *said(OBJECTION, customer=BEN, first=9)], "marketing", "spool") == OBJECTED
    assert refusal([*said(GIVEN), *said(WITHDRAWN, customer=BEN, first=9)], "marketing", "spool") == CONSENT_WITHDRAWN
    assert refusal([*said(GIVEN, first=9), *said(WITHDRAWN, customer=BEN)], "marketing", "spool") is None


@given(st.lists(st.sampled_from([GIVEN, WITHDRAWN, OBJECTION, TAKEN_BACK, RESTRICTION, LIFTED])), st.data())
def test_any_split_into_batches_leaves_the_same_words(events: list[Contract], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(events)))
    kept = {word.key: word for word in said(*events[:at])}

    kept |= {word.key: word for word in said(*events[at:], first=at + 1)}

    assert kept == {word.key: word for word in said(*events)}
