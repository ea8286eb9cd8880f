"""Records for the tests of the matcher, written as people write them."""

from __future__ import annotations

from hypothesis import strategies as st

from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Address, Normal, Raw

GIVEN = ("Anna", "Ann", "Robert", "Bob", "Wei", "伟", "玮", "")
FAMILY = ("Miller", "Millar", "Zhang", "张", "")
BIRTHS = ("1980-02-03", "1980-03-02", "1980-02-08", "1951-11-30", "1980", "")
PHONES = ("+49 30 5550101", "+49 30 5550102", "13800138000", "")
EMAILS = ("anna@example.org", "ana@example.org", "info@example.com", "")
STREETS = ("Long Lane", "Longlane", "Short Street", "")
CODES = ("11010519491231002X", "110105194912310038", "")
COMPANIES = ("Acme Tools Ltd", "Acme Tools Ltd - Leeds Branch", "Acme Tool Limited", "")


def person(
    *, given: str = "Anna", family: str = "Miller", birth: str = "", phone: str = "", email: str = "", street: str = ""
) -> Raw:
    """A person with what is given."""
    return Raw(
        kind="person",
        given=given,
        family=family,
        birth_date=birth,
        phones=(phone,) if phone else (),
        emails=(email,) if email else (),
        addresses=(Address(street=street, number="5", city="Leeds", postcode="LS1 4AB"),) if street else (),
    )


def named(birth: str = "", **values: str) -> Normal:
    """A person, normalised."""
    return normalise(person(birth=birth, **values))


raws = st.builds(
    Raw,
    kind=st.sampled_from(("person", "org", "")),
    given=st.sampled_from(GIVEN),
    family=st.sampled_from(FAMILY),
    company=st.sampled_from(COMPANIES),
    others=st.lists(st.sampled_from(("Anna Zhang", "Wei Miller")), max_size=2).map(tuple),
    gender=st.sampled_from(("m", "f", "")),
    birth_date=st.sampled_from(BIRTHS),
    phones=st.lists(st.sampled_from(PHONES), max_size=2).map(tuple),
    emails=st.lists(st.sampled_from(EMAILS), max_size=2).map(tuple),
    addresses=st.lists(
        st.builds(
            Address,
            street=st.sampled_from(STREETS),
            number=st.sampled_from(("5", "6", "")),
            city=st.sampled_from(("Leeds", "York", "")),
            postcode=st.sampled_from(("LS1 4AB", "YO1 7HH", "")),
        ),
        max_size=2,
    ).map(tuple),
    identifiers=st.lists(st.sampled_from([("national_id", code) for code in CODES]), max_size=2).map(tuple),
    extra=st.lists(st.sampled_from((("trade", "tailor"), ("trade", "baker"))), max_size=2).map(tuple),
)
normals = raws.map(normalise)
