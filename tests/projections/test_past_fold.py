"""A fold of one identity's own events is what the live view held at that instant."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.projections.fold import fold_identity
from services.projections.views.customer import CUSTOMER
from services.projections.views.membership import MOVES, members_at
from shared.as_of import AsOf
from tests.projections.lives import a_life, counts, document_of, live_at
from tests.projections.test_any_order import CUSTOMERS, canonical


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 40))
def test_an_identity_as_of_each_instant_is_its_document_in_the_live_view_then(seed: int, length: int) -> None:
    events = a_life(seed, length)
    for as_of in [AsOf(event.recorded_at, {}) for event in events]:
        then = [event for event in events if counts(event, as_of)]
        moving = [event for event in then if event.type in MOVES]
        live = live_at(events, as_of)
        for customer in CUSTOMERS:
            expected = document_of(live, customer)
            if expected is None:
                continue
            members = members_at(moving, customer)
            folded = fold_identity(then, moving, members, [CUSTOMER])["customer"]
            assert canonical(list(folded.values())) == canonical([expected])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 40))
def test_the_order_in_which_links_are_met_makes_no_difference(seed: int, length: int) -> None:
    moving = [event for event in a_life(seed, length) if event.type in MOVES]
    for customer in CUSTOMERS:
        assert members_at(moving, customer) == members_at(reversed(moving), customer)


def test_lives_have_links_and_separations_to_speak_of() -> None:
    types = [event.type for seed in range(20) for event in a_life(seed, 40)]
    assert types.count(MOVES[0]) > 40
    assert types.count(MOVES[1]) > 20
