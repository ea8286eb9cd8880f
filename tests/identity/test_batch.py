"""Batches of customer events on a real PostgreSQL: numbers, links, and what the tables hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from eventsourcing.persistence import DataError

from services.identity import number_store, store
from services.identity.application import Link
from services.identity.matching import sharing
from services.identity.matching.fingerprint import KINDS
from services.identity.matching.model import shipped, uncounted
from services.identity.matching.sharing import ALONE
from services.identity.numbering.rule import read
from shared.errors import Conflict
from shared.eventlog.log import Transaction
from shared.events import customer as facts
from shared.events.envelope import Contract, Erased
from shared.events.identity import Linked, NumberAssigned, ReviewClosed
from tests.identity.people import person
from tests.identity.world import World, customers
from tests.support.customer_topic import CAUSE

pytestmark = pytest.mark.server

PHONE = "+49309018201"
ANN = person("Ann", "Lee", born="1980-02-03", phone=PHONE, tax="4711")


async def test_every_new_customer_gets_the_next_number(world: World) -> None:
    ids = customers(3)

    await world.take(*((customer, person(f"Ann{n}", "Lee")) for n, customer in enumerate(ids)))

    assigned = [event for event in world.events() if isinstance(event.data, NumberAssigned)]
    assert [event.customer for event in assigned] == list(ids)
    assert [read(event.data.number).serial for event in assigned] == [1, 2, 3]  # type: ignore[attr-defined]
    assert [event.seq for event in assigned] == [1, 1, 1]


async def test_numbers_follow_registrations_in_whatever_order_the_partitions_are_read(world: World) -> None:
    ids = customers(30)
    records = [world.topic.record(customer, person(f"Ann{n}", "Lee")) for n, customer in enumerate(ids)]

    await world.consumer.handle(sorted(records, key=lambda record: (record.partition, record.offset)))

    assigned = [event for event in world.events() if isinstance(event.data, NumberAssigned)]
    assert [event.customer for event in assigned] == list(ids)


async def test_numbers_go_on_without_a_gap_after_a_failed_batch(world: World) -> None:
    first, second, third = customers(3)
    await world.take((first, ANN))
    with pytest.raises(DataError), world.log.transaction() as tx:
        _fail_after_taking(tx, 10)

    await world.take((second, person("Bob", "Ray")), (third, person("Eve", "Ray")))

    assert [row["next"] for row in world.rows("numbering")] == [4]


def _fail_after_taking(tx: Transaction, serials: int) -> None:
    number_store.put_counters(tx.cursor, {"customer": serials})
    tx.cursor.execute("SELECT 1 / 0")


async def test_customers_that_share_evidence_become_one_identity(world: World) -> None:
    ann, bob, again = customers(3)

    await world.take((ann, ANN), (bob, person("Bob", "Lee", phone=PHONE)))
    await world.take((again, person("ann", "LEE", phone=PHONE)))

    (linked,) = [event for event in world.events() if isinstance(event.data, Linked)]
    assert isinstance(linked.data, Linked)
    assert (linked.data.a, linked.data.b) == (ann, again)
    assert linked.data.evidence
    assert [(move.customer, move.identity) for move in linked.data.moves] == [(again, ann)]
    assert world.identities() == {ann: ann, bob: bob, again: ann}
    assert [row["position"] for row in world.rows("links")] == [linked.position]


async def test_what_a_rule_does_tells_its_cause(world: World) -> None:
    ann, again = customers(2)

    await world.take((ann, ANN), (again, ANN))

    *_, linked = world.events()
    assert (linked.actor.kind, linked.actor.id) == ("rule", uncounted(shipped()).id)
    assert (linked.correlation, linked.purpose, linked.depth) == (CAUSE.correlation, CAUSE.purpose, 1)
    assert linked.customer == again
    assert linked.causation not in (linked.id, linked.correlation)


async def test_the_split_into_batches_does_not_matter(world: World) -> None:
    ids = customers(6)
    events = [
        (ids[0], ANN),
        (ids[1], person("Bob", "Ray", email="b@x.org")),
        (ids[2], person("Ann", "Lee", phone=PHONE, email="a@x.org")),
        (ids[3], person("Ann", "Lee", email="a@x.org")),
        (ids[1], facts.NameCorrected(name=facts.Name(full="Bob Roy", given="Bob", family="Roy"))),
        (ids[4], person("Bob", "Ray", email="b@x.org")),
        (ids[5], person("Bob", "Roy", email="b@x.org")),
    ]

    for event in events[:3]:
        await world.take(event)
    await world.take(*events[3:])

    assert world.identities() == {
        ids[0]: ids[0],
        ids[1]: ids[1],
        ids[2]: ids[0],
        ids[3]: ids[0],
        ids[4]: ids[1],
        ids[5]: ids[1],
    }


async def test_a_correction_brings_customers_together(world: World) -> None:
    ann, other = customers(2)
    await world.take((ann, ANN), (other, person("Eve", "Kane", phone=PHONE)))

    await world.take((other, facts.NameCorrected(name=facts.Name(full="Ann Lee", given="Ann", family="Lee"))))

    assert world.identities()[other] == ann


async def test_evidence_that_was_taken_back_links_nobody_any_more(world: World) -> None:
    ann, later = customers(2)
    await world.take((ann, person("Ann", "Lee", born="1980-02-03")))
    await world.take((ann, facts.BirthDateSet(birth_date=date(1955, 11, 21))))

    await world.take((later, person("Ann", "Lee", born="1980-02-03")))

    assert world.identities()[later] == later


def open_questions(world: World) -> list[tuple[str, str]]:
    return [(str(row["a"]), str(row["b"])) for row in world.rows("reviews") if row["answer"] is None]


def namesakes(ids: Sequence[str]) -> list[tuple[str, Contract]]:
    """Registrations of people who share their name and nothing else."""
    return [(one, person("Ann", "Lee", born=f"19{50 + n}-03-0{n % 9 + 1}")) for n, one in enumerate(ids)]


async def test_a_question_is_closed_once_the_two_share_nothing_any_more(world: World) -> None:
    ann, again = customers(2)
    await world.take((ann, person("Ann", "Lee")), (again, person("Ann", "Lee")))
    assert open_questions(world) == [(ann, again)]

    await world.take((again, facts.NameCorrected(name=facts.Name(full="Bob Roy", given="Bob", family="Roy"))))

    assert open_questions(world) == []
    assert world.data()[-1] == ReviewClosed(a=ann, b=again, answer="gone")


async def test_nobody_is_asked_about_a_customer_who_is_restricted_until_the_restriction_is_lifted(world: World) -> None:
    ann, again = customers(2)
    await world.take((ann, person("Ann", "Lee")), (again, person("Ann", "Lee")))

    await world.take((ann, facts.ProcessingRestricted(reason="contested")))

    assert open_questions(world) == []
    await world.take((ann, facts.RestrictionLifted(reason="verified")))
    assert open_questions(world) == [(ann, again)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_nobody_is_asked_about_a_customer_who_is_erased(world: World, at_once: bool) -> None:
    ann, again = customers(2)
    told = [(ann, person("Ann", "Lee")), (again, person("Ann", "Lee")), (ann, facts.CustomerErased())]

    if at_once:
        await world.take(*told)
    else:
        await world.take(*told[:2])
        assert open_questions(world) == [(ann, again)]
        world.keyring.destroy(ann)
        await world.take(told[2])

    assert open_questions(world) == []


@pytest.mark.parametrize("gone", [facts.CustomerErased(), facts.ProcessingRestricted(reason="contested")])
async def test_who_is_one_through_somebody_stays_so_when_that_one_is_erased_or_restricted(
    world: World, gone: Contract
) -> None:
    ann, between, other = customers(3)
    await world.take(
        (ann, person("Ann", "Lee", phone=PHONE, born="1980-02-03")),
        (between, person("Ann", "Lee", phone=PHONE, email="a@x.org")),
        (other, person("Ann", "Lee", email="a@x.org", street="Ringweg 7", postcode="10115")),
    )
    one = dict.fromkeys((ann, between, other), ann)
    assert world.identities() == one

    record = world.topic.record(between, gone)
    if isinstance(gone, facts.CustomerErased):
        world.keyring.destroy(between)
    await world.consumer.handle([record])

    assert world.identities() == one
    assert open_questions(world) == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_erased_customer_counts_under_no_key_as_soon_as_its_erasure_is_told(
    world: World, at_once: bool
) -> None:
    *crowd, later = customers(ALONE[KINDS["name"]] + 2)
    await world.take(*namesakes(crowd))
    world.keyring.destroy(crowd[0])
    records = [world.topic.record(crowd[0], facts.CustomerErased()), world.topic.record(later, person("Ann", "Lee"))]

    for batch in [records] if at_once else [[record] for record in records]:
        await world.consumer.handle(batch)

    assert sum(later in ends for ends in open_questions(world)) == ALONE[KINDS["name"]]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_key_that_is_given_up_makes_room_for_nobody_who_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(sharing, "COMMON", 3)
    *crowd, later = customers(6)
    told = [person("Ann", "Lee", phone=PHONE, born=f"19{50 + n}-03-0{n + 1}") for n in range(len(crowd))]
    await world.take(*zip(crowd, told, strict=True))
    point = told[0].contact_points
    assert not isinstance(point, Erased)
    events = [
        (crowd[0], facts.ContactPointRemoved(contact_id=point[0].contact_id, reason="moved")),
        (later, person("Tom", "Lee", phone=PHONE)),
    ]

    for batch in [events] if at_once else [[event] for event in events]:
        await world.take(*batch)

    assert world.identities()[later] == later
    assert not any(later in ends for ends in open_questions(world))


async def test_a_name_that_more_than_a_few_have_brings_together_only_those_who_share_something_else(
    world: World,
) -> None:
    *crowd, ann, again = customers(ALONE[KINDS["name"]] + 3)
    await world.take(*namesakes(crowd))

    await world.take((ann, person("Ann", "Lee", phone=PHONE)), (again, person("Ann", "Lee", phone=PHONE)))

    assert world.identities()[again] == ann
    assert not any(ann in ends or again in ends for ends in open_questions(world))


async def test_evidence_that_too_many_share_links_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "COMMON", 2)
    ids = customers(4)
    placeholder = {"phone": "+490000", "given": "No", "family": "Name"}
    await world.take(*((customer, person(**placeholder)) for customer in ids[:3]))

    await world.take((ids[3], person(**placeholder)))

    assert world.identities()[ids[3]] == ids[3]


async def test_people_whose_phone_too_many_share_meet_by_a_word_of_their_names_whoever_came_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "COMMON", 3)
    names = [("Bob", "Ray"), ("Eve", "Kane"), ("Ida", "Fox"), ("Tom", "Hill"), ("Sue", "Ward")]
    *crowd, ann, again = customers(len(names) + 2)
    await world.take(*((one, person(*name, phone=PHONE)) for one, name in zip(crowd, names, strict=True)))

    await world.take((ann, person("Ann", "Lee", phone=PHONE)), (again, person("Ann", "Leigh", phone=PHONE)))

    assert world.identities()[again] == ann
    assert all(world.identities()[one] == one for one in crowd)


async def test_a_customer_that_an_earlier_build_stored_gets_its_new_keys_when_it_changes(world: World) -> None:
    (ann,) = customers(1)
    await world.take((ann, ANN))
    whole = world.rows("evidence")
    with world.log.transaction() as tx:
        tx.cursor.execute("DELETE FROM evidence WHERE rule = %s", (KINDS["word-phone"],))
        store.put_evidence(tx.cursor, [(ann, {b"of an older kind": 99})])

    await world.take((ann, facts.BirthDateSet(birth_date=date(1980, 2, 3))))

    assert world.rows("evidence") == whole


async def test_an_erased_customer_gets_its_number_and_no_evidence(world: World) -> None:
    (ann,) = customers(1)
    record = world.topic.record(ann, ANN)
    world.keyring.destroy(ann)

    await world.consumer.handle([record])

    assert [type(event) for event in world.data()] == [NumberAssigned]
    assert world.rows("evidence") == []
    assert [row["ct"] for row in world.rows("profiles")] == [None]


async def test_events_that_say_nothing_about_who_somebody_is_write_nothing(world: World) -> None:
    (ann,) = customers(1)
    await world.take((ann, ANN))
    before = world.tables()

    plan = await world.take((ann, facts.Tagged(added=("vip",))), (ann, facts.CustomerArchived(reason="moved")))

    assert len(plan.apply) == 2
    assert world.tables() == before


async def test_no_table_holds_personal_data_in_the_clear(world: World) -> None:
    (canary,) = customers(1)

    await world.take((canary, person("Canary", "Xylophone", phone="+49301234567", tax="98765", born="1980-02-03")))

    text = repr(world.tables()).lower()
    assert not any(secret in text for secret in ("canary", "xylophone", "1234567", "98765", "1980-02-03"))


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_customer_whose_erasure_is_told_shares_nothing_with_anybody_any_more(
    world: World, at_once: bool
) -> None:
    ann, later = customers(2)
    erased = facts.CustomerErased()

    if at_once:
        await world.take((ann, ANN), (ann, erased))
    else:
        await world.take((ann, ANN))
        world.keyring.destroy(ann)
        await world.take((ann, erased))

    assert world.rows("evidence") == []
    (row,) = world.rows("profiles")
    assert (row["key"], row["nonce"], row["ct"]) == (None, None, None)
    await world.take((later, ANN))
    assert world.identities() == {ann: ann, later: later}


async def test_a_purge_leaves_nothing_that_was_made_of_a_subjects_data(world: World) -> None:
    ann, again, later = customers(3)
    await world.take((ann, ANN), (again, ANN))

    with world.log.transaction() as tx:
        store.purge(tx.cursor, again)

    assert {str(row["customer"]) for row in world.rows("evidence")} == {ann}
    (purged,) = [row for row in world.rows("profiles") if str(row["customer"]) == again]
    assert (purged["key"], purged["nonce"], purged["ct"]) == (None, None, None)
    assert world.identities() == {ann: ann, again: ann}
    await world.take((again, facts.CustomerArchived(reason="erased")), (later, ANN))
    assert world.identities()[later] == ann


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_restricted_customer_is_one_with_nobody_new_until_the_restriction_is_lifted(
    world: World, at_once: bool
) -> None:
    ann, again, third = customers(3)
    restricted = (ann, facts.ProcessingRestricted(reason="contested"))
    lifted = (ann, facts.RestrictionLifted(reason="verified"))

    if at_once:
        await world.take((ann, ANN), restricted, (again, ANN))
    else:
        for event in ((ann, ANN), restricted, (again, ANN)):
            await world.take(event)

    assert world.identities() == {ann: ann, again: again}
    assert {str(row["customer"]) for row in world.rows("evidence")} == {again}
    await world.take((ann, facts.BirthDateSet(birth_date=date(1980, 2, 4))), (third, ANN))
    assert world.identities() == {ann: ann, again: again, third: again}
    await world.take(lifted)
    assert world.identities() == {ann: ann, again: ann, third: ann}


async def test_a_restricted_customer_stays_what_it_is_and_is_linked_by_nobody(world: World) -> None:
    ann, again, bob = customers(3)
    await world.take((ann, ANN), (again, ANN), (bob, person("Bob", "Ray")))
    await world.take((ann, facts.ProcessingRestricted(reason="contested")))

    assert world.identities() == {ann: ann, again: ann, bob: bob}
    with pytest.raises(Conflict, match="restricted"):
        await world.application.link(Link(a=ann, b=bob, reason="same"), CAUSE, b"1")
    await world.take((ann, facts.RestrictionLifted(reason="verified")))
    await world.application.link(Link(a=ann, b=bob, reason="same"), CAUSE, b"1")
    assert world.identities()[bob] == ann
