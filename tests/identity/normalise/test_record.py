"""Whole records: what a kind, a country and a number of the state tell, and that nothing written ever makes it fail."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching.normalise.record import MOST, normalise
from services.identity.matching.normalise.steps import steps
from services.identity.matching.normalise.text import LONGEST, fold, known, words
from services.identity.matching.record import Address, Normal, Raw

TEXT = st.text(st.characters(), max_size=40)
RAWS = st.builds(
    Raw,
    kind=st.sampled_from(["", "person", "org", "?"]),
    full=TEXT,
    given=TEXT,
    family=TEXT,
    company=TEXT,
    others=st.lists(TEXT, max_size=2).map(tuple),
    gender=TEXT,
    birth_date=st.one_of(TEXT, st.dates().map(str), st.text("0123456789年月日/.- ", max_size=12)),
    phones=st.lists(st.one_of(TEXT, st.text("+0123456789 -x#()", max_size=20)), max_size=2).map(tuple),
    emails=st.lists(st.one_of(TEXT, st.emails()), max_size=2).map(tuple),
    addresses=st.lists(
        st.builds(Address, line=TEXT, street=TEXT, number=TEXT, city=TEXT, state=TEXT, country=TEXT), max_size=2
    ).map(tuple),
    identifiers=st.lists(st.tuples(st.sampled_from(["", "ric", "uscc", "iban", "x"]), TEXT), max_size=2).map(tuple),
    extra=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
)
PERSON = Raw(
    full="張偉",
    gender="男",
    birth_date="1980年3月5日",
    phones=("138 1234 5679 转 12",),
    emails=("Wei.Zhang+shop@Gmail.com",),
    addresses=(Address(line="上海市黄浦区南京东路5号501室"),),
    identifiers=(("passport", "E 1234 5679"),),
    extra=(("occupation", " Tailor "),),
)


@settings(deadline=None, max_examples=60)  # the rules of a country are read when it is first met
@given(RAWS, st.sampled_from(["", "CN", "AU", "US", "XX", "??"]))
def test_nothing_that_is_written_makes_it_fail(raw: Raw, country: str) -> None:
    normal = normalise(raw, country)

    assert normal == normalise(raw, country)
    assert msgspec.json.decode(msgspec.json.encode(normal), type=Normal) == normal
    assert steps(raw, country) == steps(raw, country)


@given(st.text(st.characters()))
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(categories=["L", "N", "Zs"])))
def test_full_width_letters_are_the_narrow_ones(text: str) -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)

    assert words(fold(wide)) == words(fold(text))


@pytest.mark.parametrize("text", ["n/a", "NULL", "-", "无", "不详", "Unknown", " ", ""])
def test_what_says_that_nothing_is_known_says_nothing(text: str) -> None:
    assert known(text) == ""
    assert (
        normalise(
            Raw(full=text, given=text, birth_date=text, phones=(text,), emails=(text,), addresses=(Address(line=text),))
        ).names
        == ()
    )


@pytest.mark.parametrize("letter", ["a", "张", "1", "(", "\ud800", "o'", "市 "])
def test_ten_million_characters_are_read_as_their_first_few_hundred(letter: str) -> None:
    def written(text: str) -> Raw:
        return Raw(
            kind=text,
            full=text,
            given=text,
            family=text,
            company=text,
            others=(text,),
            gender=text,
            birth_date=text,
            phones=(text,),
            emails=(text,),
            addresses=(Address(line=text, street=text, city=text, number=text),),
            identifiers=((text, text),),
            extra=((text, text),),
        )

    normal = normalise(written(letter * 10_000_000))

    assert normal == normalise(written(letter * LONGEST))
    assert len(msgspec.json.encode(normal)) < 100 * LONGEST


def test_ten_thousand_values_of_one_list_are_read_as_the_first_few() -> None:
    raw = Raw(
        phones=tuple(f"+614{number:08}" for number in range(10_000)),
        emails=tuple(f"{number}@example.org" for number in range(10_000)),
        identifiers=tuple(("card", f"A{number}") for number in range(10_000)),
    )
    normal = normalise(raw)

    assert len(normal.phones) == len(normal.emails) == len(normal.identities) == MOST


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (Raw(kind="organisation", full="Smith"), "org"),
        (Raw(kind="Person", full="Acme Ltd"), "person"),
        (Raw(full="Acme Ltd"), "org"),
        (Raw(full="北京字节跳动科技有限公司"), "org"),
        (Raw(full="John Smith"), "person"),
        (Raw(given="Acme", family="Ltd"), "person"),
        (Raw(company="Acme"), "org"),
        (Raw(full="Acme", identifiers=(("credit_code", "91110105MA002L6X9C"),)), "org"),
        (Raw(full="Smith Ltd", birth_date="1980-01-02"), "person"),
        (Raw(phones=("123456789",)), ""),
        (Raw(), ""),
    ],
)
def test_a_kind_that_nobody_gives_is_told_by_the_fields(raw: Raw, kind: str) -> None:
    assert normalise(raw).kind == kind


def test_an_organisation_has_names_of_a_company_alone() -> None:
    normal = normalise(Raw(kind="org", full="Acme Ltd", company="Acme Trading", given="John", family="Smith"))

    assert [name.core for name in normal.companies] == ["acmetrading", "acme"]
    assert normal.names == ()


def test_a_person_with_a_company_has_both() -> None:
    normal = normalise(Raw(kind="person", full="John Smith", company="Acme Ltd"))

    assert (normal.names[0].family, normal.companies[0].core) == ("smith", "acme")


def test_a_resident_number_tells_birth_date_and_gender_that_nobody_gave() -> None:
    normal = normalise(Raw(full="王芳", identifiers=(("national_id", "11010519491231002X"),)))
    given_too = normalise(
        Raw(full="王芳", birth_date="1950-01-01", identifiers=(("national_id", "11010519491231002X"),))
    )

    assert (normal.birth and normal.birth.year, normal.gender) == (1949, "female")
    assert given_too.birth is not None
    assert given_too.birth.year == 1950


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (Raw(phones=("0412987654",), addresses=(Address(country="Australia"),)), "61412987654"),
        (Raw(phones=("0412987654",), addresses=(Address(state="NSW"),)), "61412987654"),
        (Raw(phones=("010-62345678",), full="张伟"), "861062345678"),
        (Raw(phones=("0298765431",)), "298765431"),
    ],
)
def test_a_number_without_a_calling_code_belongs_to_the_country_of_the_record(raw: Raw, number: str) -> None:
    assert normalise(raw).phones[0].number == number


def test_the_country_that_is_asked_for_yields_to_the_one_of_the_record() -> None:
    raw = Raw(phones=("0412987654",), addresses=(Address(country="Australia"),))

    assert normalise(raw, "CN").phones[0].number == "61412987654"
    assert normalise(Raw(phones=("0298765431",)), "AU").phones[0].number == "61298765431"


@pytest.mark.parametrize("gender", ["m", "Male", "男", "1", "Mr"])
def test_a_gender_has_one_word(gender: str) -> None:
    assert normalise(Raw(gender=gender)).gender == "male"


def test_a_value_given_twice_is_there_once() -> None:
    normal = normalise(Raw(phones=("+61 412 987 654", "+61412987654"), emails=("A@example.org", "a@example.org")))

    assert (len(normal.phones), len(normal.emails)) == (1, 1)


class TestSteps:
    def test_end_in_what_normalising_gives(self) -> None:
        normal = normalise(PERSON)
        last = {explained.field: dict(explained.steps) for explained in steps(PERSON)}

        assert last["phones"]["number"] == normal.phones[0].number
        assert last["emails"]["address"] == normal.emails[0].address
        assert last["names"]["anagram"] == normal.names[0].anagram
        assert last["addresses"]["road"] == normal.homes[0].road
        assert last["identifiers passport"]["value"] == normal.identities[0].value
        assert last["extra occupation"] == {"folded": "tailor"}
        assert last["birth_date"]["year"] == "1980"

    def test_show_what_was_done_on_the_way(self) -> None:
        emails = next(explained for explained in steps(PERSON) if explained.field == "emails")

        assert emails.given == "Wei.Zhang+shop@Gmail.com"
        assert ("without the tag", "wei.zhang@gmail.com") in emails.steps
        assert ("without dots", "weizhang@gmail.com") in emails.steps

    def test_say_what_was_cut_and_what_is_not_known(self) -> None:
        by_field = {explained.field: explained for explained in steps(Raw(full="a" * 1000, birth_date="soon"))}

        assert by_field["full"].steps[0] == ("cut to the first 256 of 1000 characters", "a" * LONGEST)
        assert by_field["birth_date"].steps[-1] == ("not known", "")
