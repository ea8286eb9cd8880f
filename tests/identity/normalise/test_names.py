"""Names of persons: which spellings are one name, which word is which, and what is no part of it."""

# ruff: noqa: RUF001 - letters that look alike are what the test is about
from __future__ import annotations

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from services.identity.matching.normalise.names import persons
from services.identity.matching.normalise.nicknames import ROOTS, akin
from services.identity.matching.normalise.pinyin import SIMPLIFIED, SYLLABLE
from services.identity.matching.normalise.surnames import COMPOUND, SINGLE
from services.identity.matching.record import PersonName

HAN_NAMES = st.builds(
    str.__add__,
    st.sampled_from(sorted(SINGLE | COMPOUND)),
    st.text(st.sampled_from("伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉"), min_size=1, max_size=2),
)
TRADITIONAL = {new: old for old, new in SIMPLIFIED.items() if SYLLABLE.get(old) == SYLLABLE.get(new)}


def name(full: str = "", given: str = "", family: str = "", *others: str) -> PersonName:
    return persons(full, given, family, others)[0]


@pytest.mark.parametrize(
    "spelling",
    ["張偉", "Zhang Wei", "WEI ZHANG", "zhāng wěi", "zhang1 wei3", "Ｚｈａｎｇ　Ｗｅｉ", "张伟先生", "Mr Zhang Wei"],
)
def test_a_chinese_name_has_the_same_letters_in_every_spelling_and_order(spelling: str) -> None:
    assert name(spelling).anagram == name("张伟").anagram == "aeghinwz"


@pytest.mark.parametrize("spelling", ["Ouyang Xiu", "OU YANG XIU", "Xiu Ou Yang", "欧阳 修", "歐陽修", "xiu ouyang"])
def test_a_family_name_of_two_characters_is_one_word(spelling: str) -> None:
    assert (name(spelling).given, name(spelling).family) == ("xiu", "ouyang")


@pytest.mark.parametrize(
    ("characters", "family"),
    [
        ("单雄信", "shan"),
        ("曾国藩", "zeng"),
        ("解缙", "xie"),
        ("仇英", "qiu"),
        ("查良镛", "zha"),
        ("尉迟恭", "yuchi"),
        ("万俟卨", "moqi"),
    ],
)
def test_a_family_name_is_read_as_its_bearers_read_it(characters: str, family: str) -> None:
    assert name(characters).family == family


def test_a_family_name_with_two_readings_gives_a_name_for_each() -> None:
    assert {found.family for found in persons("翟天临", "", "", ())} == {"zhai", "di"}


def test_characters_are_kept_and_simplified_beside_the_letters() -> None:
    assert (name("張偉").han, name("张玮").han) == ("张伟", "张玮")


@pytest.mark.parametrize(
    "spelling", ["Li Xiaolong", "Xiaolong Li", "Xiao-Long Li", "Li, Xiao Long", "李小龙", "李小龍"]
)
def test_the_syllables_of_a_chinese_given_name_are_one_word(spelling: str) -> None:
    assert (name(spelling).given, name(spelling).family) == ("xiaolong", "li")


@pytest.mark.parametrize("open_name", ["Zhang Wei", "Wei Zhang", "Cher", "伟"])
def test_which_word_is_the_family_name_is_left_open_where_nobody_can_tell(open_name: str) -> None:
    assert (name(open_name).given, name(open_name).family) == ("", "")


@pytest.mark.parametrize(
    ("full", "given", "family"),
    [
        ("John Smith", "john", "smith"),
        ("Smith, John", "john", "smith"),
        ("SMITH, John Paul", "john paul", "smith"),
        ("Dr. John Smith PhD", "john", "smith"),
        ("Vincent van Gogh", "vincent", "van gogh"),
        ("Ludwig van der Rohe", "ludwig", "van der rohe"),
        ("Conan O'Brien", "conan", "obrien"),
        ("Conan O’Brien", "conan", "obrien"),
        ("Conan O Brien", "conan", "obrien"),
        ("Ronald Mc Donald", "ronald", "mcdonald"),
        ("José Müller", "jose", "muller"),
        ("Владимир Путин", "vladimir", "putin"),
        ("Αλέξης Τσίπρας", "alexis", "tsipras"),
        ("卡尔·马克思", "kaer", "makesi"),
        ("Anna Li", "anna", "li"),
        ("Li Anna", "anna", "li"),
    ],
)
def test_a_whole_name_is_parted_by_comma_custom_and_family_names(full: str, given: str, family: str) -> None:
    assert (name(full).given, name(full).family) == (given, family)


@pytest.mark.parametrize(
    ("full", "suffix"),
    [
        ("John Smith Jr.", "jr"),
        ("John Smith, Sr", "sr"),
        ("Smith, Jr., John", "jr"),
        ("John Smith III", "3"),
        ("张伟(小)", "jr"),
        ("John Smith", ""),
    ],
)
def test_a_suffix_tells_generations_apart_and_is_no_part_of_the_name(full: str, suffix: str) -> None:
    assert (name(full).suffix, name(full).anagram) == (suffix, name(full.partition("(")[0]).anagram)


def test_nicknames_lead_back_to_one_root() -> None:
    assert {name(f"{short} Smith").roots for short in ("Bob", "Rob", "Robert", "Bobby")} == {("robert", "smith")}


def test_akin_names_are_short_forms_of_each_other_or_of_one_name() -> None:
    assert akin("bob", "robert")
    assert akin("rob", "bob")
    assert akin("alison", "alison")
    assert not akin("john", "james")


def test_a_root_is_nobodys_nickname() -> None:
    assert not set(ROOTS.values()) & set(ROOTS)


def test_the_words_of_a_whole_name_complete_its_parts() -> None:
    found = name("Charles Samuel Kelsey", "Charles", "Kelsey")

    assert (found.given, found.family, found.tokens) == ("charles", "kelsey", ("charles", "samuel", "kelsey"))


def test_a_name_given_in_characters_and_in_letters_is_one_name() -> None:
    assert len(persons("张伟", "Wei", "Zhang", ())) == 1
    assert name("张伟", "Wei", "Zhang").han == "张伟"
    assert len(persons("张伟", "", "", ("Zhang Wei",))) == 1


def test_two_whole_names_of_one_record_are_two_names() -> None:
    assert [found.family for found in persons("Mary Jones", "Mary", "Smith", ())] == ["smith", "jones"]


@pytest.mark.parametrize("full", ["Mary Smith née Jones", "Mary Smith (born Jones)", "Mary Smith (Jones)"])
def test_a_former_name_is_a_name_of_its_own(full: str) -> None:
    assert [(found.given, found.family) for found in persons(full, "", "", ())] == [
        ("mary", "smith"),
        ("mary", "jones"),
    ]


def test_an_other_name_of_one_word_takes_the_place_that_it_can_have() -> None:
    former, short = persons("", "Elizabeth", "Smith", ("Jones", "Liz"))[1:]

    assert (former.given, former.family) == ("elizabeth", "jones")
    assert (short.given, short.family) == ("liz", "smith")


def test_a_name_in_one_field_and_its_family_name_in_the_other_are_not_read_twice() -> None:
    assert name("", "John Smith", "Smith").tokens == ("john", "smith")
    assert name("", "张伟", "张").tokens == ("zhang", "wei")


def test_family_and_given_name_in_each_others_field_are_told_by_the_family_name() -> None:
    assert name("", "张", "伟").family == "zhang"


def test_a_familiar_address_names_the_family_only() -> None:
    assert (name("小王").family, name("小王").given) == ("wang", "")


@drawn(HAN_NAMES)
def test_letters_of_a_chinese_name_in_either_order_are_the_name_itself(full: str) -> None:
    found = name(full)
    for order in (found.tokens, found.tokens[::-1]):
        assert name(" ".join(order)).anagram == found.anagram


@drawn(HAN_NAMES)
def test_traditional_characters_are_the_simplified_ones(full: str) -> None:
    assert name("".join(TRADITIONAL.get(letter, letter) for letter in full)).han == name(full).han


@drawn(
    st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=1, max_size=12),
    st.text(st.characters(categories=["L"], max_codepoint=0x24F), max_size=12),
)
def test_case_does_not_count(given: str, family: str) -> None:
    folded = [persons("", part[0], part[1], ()) for part in ((given.casefold(), family.casefold()), (given, family))]

    assert folded[0] == folded[1]
