"""What the events of a customer add up to for the matcher."""

from __future__ import annotations

from datetime import date

from services.identity.matching.customer import NOTHING as UNCOMPARABLE
from services.identity.matching.customer import normal_of, raw_of
from services.identity.matching.features import NOTHING, Features, evolve
from shared.events import customer as facts
from shared.events.envelope import ERASED
from shared.ids import uuid7
from tests.identity.people import features, person

ANN = person("Ann", "Lee", born="1980-02-03", street="Main Street 7", postcode="10115")


def test_erased_fields_are_nothing_to_compare() -> None:
    erased = facts.CustomerRegistered(
        kind="person",
        source="crm",
        name=ERASED,
        birth_date=ERASED,
        contact_points=ERASED,
        address=ERASED,
        identifiers=ERASED,
    )

    assert features(erased) == NOTHING
    assert normal_of(NOTHING) is UNCOMPARABLE


def test_every_change_of_a_customer_reaches_its_features() -> None:
    phone = uuid7()

    found = features(
        ANN,
        facts.NameCorrected(name=facts.Name(full="Ann Ray", given="Ann", family="Ray")),
        facts.BirthDateSet(birth_date=date(1980, 3, 2)),
        facts.ContactPointAdded(contact_id=phone, kind="phone", value="+4930123"),
        facts.AddressSet(usage="main", address=facts.Address(lines=("Elm Road 1",), postcode="20095")),
        facts.IdentifierAdded(identifier=facts.Identifier(type="tax", value="9")),
        facts.Tagged(added=("vip",)),
    )

    assert (found.family, found.birth_date, found.identifiers) == ("Ray", "1980-03-02", (("tax", "9"),))
    assert found.contacts == {phone: ("phone", "+4930123")}
    assert found.addresses["main"].line == "Elm Road 1"
    assert not evolve(found, facts.ContactPointRemoved(contact_id=phone, reason="left")).contacts
    assert not evolve(found, facts.ContactPointInvalidated(contact_id=phone, reason="bounced")).contacts


def renamed(given: str, family: str) -> facts.NameCorrected:
    return facts.NameCorrected(name=facts.Name(full=f"{given} {family}", given=given, family=family))


def test_who_takes_another_family_name_is_still_found_by_the_one_before() -> None:
    found = features(ANN, renamed("Ann", "Ray"))
    back = features(ANN, renamed("Ann", "Ray"), renamed("Ann", "Lee"))

    assert found.former == ("Ann Lee",)
    assert [name.family for name in normal_of(found).names] == ["ray", "lee"]
    assert back.former == ("Ann Ray",)


def test_only_the_last_three_former_names_are_kept() -> None:
    found = features(ANN, *(renamed("Ann", family) for family in ("Ray", "Moor", "Berg", "Hill")))

    assert found.former == ("Ann Ray", "Ann Moor", "Ann Berg")


def test_a_name_that_was_somebody_elses_is_not_kept() -> None:
    found = features(ANN, renamed("Ben", "Ray"))

    assert (found.former, found.given) == ((), "Ben")
    assert features(ANN, renamed("Ann", "Ray"), renamed("Ben", "Ray")).former == ()
    assert features(ANN, renamed("Ann", "LEE")).former == ()
    assert features(ANN, renamed("Ann", "Ray"), facts.NameCorrected(name=ERASED)).former == ()


def test_erased_changes_take_nothing_in() -> None:
    found = features(
        ANN,
        facts.NameCorrected(name=ERASED),
        facts.BirthDateSet(birth_date=ERASED),
        facts.ContactPointAdded(contact_id=uuid7(), kind="phone", value=ERASED),
        facts.AddressSet(usage="main", address=ERASED),
        facts.IdentifierAdded(identifier=ERASED),
    )

    assert found == NOTHING


def test_features_survive_their_json_form() -> None:
    found = features(person("Ann", "Lee", born="1980-02-03", street="Elm Road", phone="+4930123", tax="1"))

    assert Features.from_json(found.to_json()) == found


def test_a_record_has_everything_that_is_known_and_nothing_is_changed_in_it() -> None:
    address = facts.Address(
        lines=("Elm Road", "Flat 2"),
        street_number="7",
        locality="Dorf",
        region="BE",
        postcode="20095",
        country="DE",
    )
    found = raw_of(features(person(" Ann ", "LEE", phone="+49 30 123", tax="1", address=address, born="1980-02-03")))

    assert (found.kind, found.given, found.family, found.birth_date) == ("person", "Ann", "LEE", "1980-02-03")
    assert (found.phones, found.identifiers) == (("+49 30 123",), (("tax", "1"),))
    (home,) = found.addresses
    assert (home.line, home.extra, home.number) == ("Elm Road", "Flat 2", "7")
    assert (home.city, home.state, home.postcode, home.country) == ("Dorf", "BE", "20095", "DE")


def test_the_name_of_an_organisation_is_a_company() -> None:
    found = raw_of(features(person(full="Acme Ltd", kind="organisation")))

    assert (found.kind, found.company, found.full) == ("org", "Acme Ltd", "")


def test_who_is_restricted_is_compared_with_nobody() -> None:
    restricted = facts.ProcessingRestricted(reason="asked")

    assert normal_of(features(ANN)) is not UNCOMPARABLE
    assert normal_of(features(ANN, restricted)) is UNCOMPARABLE
