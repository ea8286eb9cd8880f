"""Finding customers by phone number, e-mail address and identifier, through an index that shows none of them."""

from __future__ import annotations

import pytest

from services.identity.matching.features import NOTHING, evolve
from services.identity.matching.lookup import BYTES, NUMBERS, Field, token_of, tokens, wanted
from shared.events import customer as facts
from tests.identity.people import person
from tests.identity.world import World, customers

ANN = person("Ann", "Lee", born="1980-02-03", phone="+4930123456", tax="1234")
ANN_MAILS = facts.ContactPointAdded(
    contact_id="0199f3a0-0000-7000-8000-000000000009", kind="email", value="Ann@example.org"
)
KEY = b"k" * 32


def test_every_field_has_a_key_of_its_own_and_low_entropy_is_cut_short() -> None:
    token = token_of(KEY)
    same = [token(field, "4930123456") for field in NUMBERS]

    assert len({one.digest[:3] for one in same}) == len(NUMBERS)
    assert [len(one.digest) for one in same] == [BYTES[field] for field in NUMBERS]
    assert 10**10 / 256 ** BYTES["phone"] > 500
    assert 10**9 / 256 ** BYTES["identifier"] > 50
    assert token != token_of(b"x" * 32)
    assert token("phone", "1") != token_of(b"x" * 32)("phone", "1")
    with pytest.raises(ValueError, match="the blind index needs the key"):
        token_of(b"")


@pytest.mark.parametrize(
    ("field", "typed", "kind"),
    [
        ("phone", "+49 (30) 12 34 56", ""),
        ("email", " ANN@Example.org ", ""),
        ("identifier", "12-34", "TAX"),
    ],
)
def test_what_is_typed_finds_what_is_kept_in_whatever_spelling(field: Field, typed: str, kind: str) -> None:
    kept = tokens(KEY)(evolve(evolve(NOTHING, ANN), ANN_MAILS))

    assert token_of(KEY)(field, wanted(field, typed, kind)) in kept
    assert len(kept) == 3
    assert tokens(KEY)(NOTHING) == frozenset()


@pytest.mark.server
async def test_customers_are_found_until_they_have_the_value_no_more(world: World) -> None:
    ann, again, bob = customers(3)
    await world.take((ann, ANN), (again, ANN), (bob, person("Bob", "Ray", phone="+4930999")))
    await world.take((ann, ANN_MAILS), (ann, facts.ProcessingRestricted(reason="contested")))

    assert [(hit.customer, hit.identity) for hit in await world.lookups.find("phone", "+49 30 123456")] == [
        (ann, ann),
        (again, ann),
    ]
    assert [hit.customer for hit in await world.lookups.find("identifier", "1234", "tax")] == [ann, again]
    assert [hit.customer for hit in await world.lookups.find("email", "ann@EXAMPLE.org")] == [ann]
    assert await world.lookups.find("phone", "") == []
    await world.take((ann, facts.ContactPointRemoved(contact_id=ANN_MAILS.contact_id, reason="asked")))
    assert await world.lookups.find("email", "ann@example.org") == []


@pytest.mark.server
async def test_a_value_that_only_shares_the_token_is_nobodys(world: World) -> None:
    (ann,) = customers(1)
    await world.take((ann, ANN))
    token = token_of(KEY)("phone", wanted("phone", "+49 555"))
    with world.log.transaction() as tx:
        tx.cursor.execute("UPDATE tokens SET token = %s WHERE field = 1", (token.digest,))

    assert await world.lookups.find("phone", "+49 555") == []


@pytest.mark.server
async def test_an_erased_customer_has_no_token_left(world: World) -> None:
    ann, bob = customers(2)
    await world.take((ann, ANN), (bob, person("Bob", "Ray", phone="+4930999")))
    world.keyring.destroy(ann)

    assert await world.lookups.find("phone", "+49 30 123456") == []
    await world.take((ann, facts.CustomerErased()))
    assert {str(row["customer"]) for row in world.rows("tokens")} == {bob}
