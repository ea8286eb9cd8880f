from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching.compare import Levels, compare, likely, parts_of, total, weigh
from services.identity.matching.counting import learn
from services.identity.matching.explain import explain, to_json, without_identifiers
from services.identity.matching.explain_svg import to_svg
from services.identity.matching.limits import highest
from services.identity.matching.model import FIELDS, LEVELS, UnknownModel, from_json, shipped
from services.identity.matching.model import to_json as model_json
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Address, Normal, Raw
from services.identity.matching.shown import shown_raw
from services.identity.matching.vectors import stack, totals
from tests.identity.matching.people import named, normals, person, raws

MODEL = shipped()
SVG = "{http://www.w3.org/2000/svg}"


@settings(max_examples=60, deadline=None)
@given(normals, normals)
def test_prior_and_bars_add_up_to_the_weight(a: Normal, b: Normal) -> None:
    score = weigh(compare(a, b, MODEL), MODEL)

    assert score.weight == score.prior + sum(bar.weight for bar in score.bars)
    assert score.weight == total(compare(a, b, MODEL), MODEL)


@settings(max_examples=200, deadline=None)
@given(normals, normals, st.integers(-20_000, 20_000), st.integers(2, 1_000_000))
def test_only_what_weighs_too_little_is_given_up_early(a: Normal, b: Normal, least: int, size: int) -> None:
    model = MODEL.fitted(size, learn([a, b]))

    found = likely(a, b, model, least)

    whole = compare(a, b, model)
    assert found == whole if found is not None else total(whole, model) < least


@settings(max_examples=1000, deadline=None)
@given(
    st.tuples(*(st.integers(0, len(LEVELS[field]) - 1) for field in FIELDS)),
    st.tuples(*(st.integers(0, 24_000) for _ in FIELDS)),
)
def test_no_phone_or_address_lifts_a_pair_above_what_is_reckoned_before(
    codes: tuple[int, ...], rarities: tuple[int, ...]
) -> None:
    levels = Levels(codes, rarities)
    before = FIELDS.index("phone")
    extra = parts_of(levels, MODEL)[FIELDS.index("extra")]

    assert total(levels, MODEL) - max(extra, 0) <= highest(codes[:before], parts_of(levels, MODEL)[:before], MODEL)


def test_neighbours_are_given_up_by_their_names_alone() -> None:
    ann = named(given="Ann", family="Miller", birth="1980-02-03", street="Long Lane", phone="+49 30 5550101")
    bob = named(given="Robert", family="Miller", birth="1951-11-30", street="Long Lane", phone="+49 30 5550101")

    assert likely(ann, bob, MODEL, MODEL.review) is None
    assert likely(ann, ann, MODEL, MODEL.review) == compare(ann, ann, MODEL)


@settings(max_examples=60, deadline=None)
@given(normals, normals)
def test_a_pair_weighs_the_same_whichever_record_comes_first(a: Normal, b: Normal) -> None:
    assert compare(a, b, MODEL) == compare(b, a, MODEL)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(normals, normals), min_size=1, max_size=12))
def test_many_pairs_at_once_weigh_what_each_weighs_alone(pairs: list[tuple[Normal, Normal]]) -> None:
    model = MODEL.fitted(20, learn(normal for pair in pairs for normal in pair))
    levels = [compare(a, b, model) for a, b in pairs]

    assert totals(stack(levels), model).weights.tolist() == [total(level, model) for level in levels]


@settings(max_examples=30, deadline=None)
@given(raws, raws)
def test_an_explanation_adds_up_and_can_be_written(a: Raw, b: Raw) -> None:
    found = explain(a, b, MODEL)

    assert found.weight == found.prior + sum(bar.weight for bar in found.bars)
    assert to_json(found)
    assert to_svg(found).startswith("<svg")


def test_every_level_stays_inside_its_field() -> None:
    levels = compare(named(), named(given="Bob"), MODEL)

    assert all(code < len(LEVELS[name]) for name, code in zip(FIELDS, levels.codes, strict=True))


@pytest.mark.parametrize(
    ("left", "right", "band"),
    [
        (person(birth="1980-02-03", phone="+49 30 5550101"), person(birth="1980-02-03", phone="+49305550101"), "merge"),
        (Raw(full="张伟", birth_date="1980-02-03"), Raw(full="Wei Zhang", birth_date="1980-02-03"), "merge"),
        (person(birth="1980-02-03"), person(given="Miller", family="Anna", birth="1980-02-03"), "merge"),
        (person(birth="1980-02-03", street="Long Lane"), person(birth="1951-11-30", street="Long Lane"), "new"),
        (person(street="Long Lane"), person(given="Robert", street="Long Lane"), "new"),
        (person(), Raw(kind="org", company="Acme Tools Ltd"), "new"),
    ],
)
def test_bands(left: Raw, right: Raw, band: str) -> None:
    assert explain(left, right, MODEL).decision == band


def test_a_household_shares_its_address_and_phone_and_is_not_one_person() -> None:
    mother = person(street="Long Lane", phone="+49 30 5550101", birth="1951-11-30")
    child = person(given="Robert", street="Long Lane", phone="+49 30 5550101", birth="1980-02-03")

    found = explain(mother, child, MODEL)

    assert found.decision == "new"
    assert "household" in [bar.field for bar in found.bars]


def level(field: str, left: Raw, right: Raw) -> str:
    codes = compare(normalise(left), normalise(right), MODEL).codes
    return LEVELS[field][codes[FIELDS.index(field)]]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("John Smith Jr", "John Smith Jr", "same"),
        ("John Smith Jr", "John Smith", "one"),
        ("John Smith Jr", "John Smith Sr", "differ"),
        ("John Smith", "John Smith", "unknown"),
    ],
)
def test_a_suffix_that_only_one_of_two_names_has_is_told(left: str, right: str, expected: str) -> None:
    assert level("suffix", Raw(full=left), Raw(full=right)) == expected


def test_whoever_is_junior_under_one_name_is_junior() -> None:
    junior = Raw(full="John Smith", others=("Johnny Smith Jr",))

    assert level("suffix", junior, Raw(full="John Smith")) == "one"
    assert level("suffix", junior, Raw(full="John Smith Jr")) == "same"


def test_father_and_son_at_one_address_are_asked_about_where_nothing_but_a_suffix_tells_them_apart() -> None:
    son, father = (
        person(family="Quillfeather Jr", street="Long Lane"),
        person(family="Quillfeather", street="Long Lane"),
    )

    assert explain(father, father, MODEL).decision == "merge"
    assert explain(son, father, MODEL).decision == "review"


def test_a_company_is_not_its_branch_whatever_its_foreign_name_leaves_out() -> None:
    head = Raw(kind="org", company="康云科技有限公司", others=("Kangyun Technology Co., Ltd.",))
    branch = Raw(kind="org", company="康云科技有限公司昆明分公司", others=("Kangyun Technology Co., Ltd.",))

    assert level("branch", head, branch) == "one"
    assert level("branch", branch, branch) == "same"


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("北京市佳达医药有限公司", "上海佳达医药有限公司", "differ"),
        ("浙江佳达医药有限公司", "江苏佳达医药有限公司", "differ"),
        ("Jiada Trading (Shenzhen) Co., Ltd.", "佳达贸易(大连)有限公司", "differ"),
        ("浙江佳达医药有限公司", "杭州佳达医药有限公司", "unknown"),
        ("中国佳达医药有限公司", "杭州佳达医药有限公司", "unknown"),
        ("北京市佳达医药有限公司", "佳达医药有限公司", "unknown"),
    ],
)
def test_a_company_registered_in_another_city_or_province_is_another_one(one: str, other: str, told: str) -> None:
    assert level("branch", Raw(kind="org", company=one), Raw(kind="org", company=other)) == told


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("李军鹏", "李军航", "similar"),  # brothers: they share a syllable
        ("郭倩凤", "Guo Qianying", "similar"),
        ("李静安", "李金安", "close"),  # jing and jin: one slip of whoever heard it
        ("李凤颖", "李凤永", "similar"),  # ying and yong sound unlike each other
        ("Jonathan Miller", "Johnatan Miller", "close"),
    ],
)
def test_another_syllable_of_a_chinese_name_is_another_name(left: str, right: str, expected: str) -> None:
    assert level("given", Raw(full=left), Raw(full=right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("Amy S", "Amy Sue", "exact"),
        ("Amy S", "A", "part"),
        ("Amy S", "Deborah S", "differ"),  # an initial in the middle of two names makes no name of both
        ("Michael S", "S", "differ"),
        ("Christine Deborah", "Deborah", "part"),
    ],
)
def test_an_initial_stands_for_a_first_name_only(left: str, right: str, expected: str) -> None:
    assert level("given", Raw(given=left, family="Miller"), Raw(given=right, family="Miller")) == expected


def test_two_names_that_many_have_are_no_slip_of_each_other() -> None:
    common = [named(given=given) for given in ("Gary", "Mary") for _ in range(40)]
    model = MODEL.fitted(2000, learn([*common, *[named(given="Gray")] * 1920]))
    gary, mary, slip = named(given="Gary J"), named(given="Mary"), named(given="Mray")

    told = [LEVELS["given"][compare(mary, other, model).codes[FIELDS.index("given")]] for other in (gary, slip)]

    assert told == ["similar", "close"]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("wangweili266@example.com", "wangweili266@example.org", "local"),
        ("wangweili266@example.com", "wangweli266@example.com", "close"),
        ("wangweili266@example.com", "wangweili267@example.com", "close"),
        ("wangweili266@example.com", "wagnwelli266@example.com", "close"),
        ("wangweili266@example.com", "wangweili537@example.com", "differ"),  # of another one of this name
        ("wangweili266@example.com", "wangweili2@example.com", "differ"),
        ("wangweili266@example.com", "wangweili", "unknown"),
    ],
)
def test_a_mailbox_with_other_digits_is_somebody_elses(left: str, right: str, expected: str) -> None:
    assert level("email", person(email=left), person(email=right)) == expected


def test_firms_of_one_group_share_a_mailbox_and_are_asked_about() -> None:
    firm = Raw(kind="org", company="南京越贝贸易有限公司", emails=("info@yuebei.example",))
    sister = Raw(kind="org", company="北京越贝服装有限公司", emails=("info@yuebei.example",))

    assert level("company", firm, sister) == "similar"
    assert explain(firm, sister, MODEL).decision != "merge"
    assert explain(firm, firm, MODEL).decision == "merge"


def test_a_rare_name_says_more_than_a_common_one() -> None:
    crowd = [named(family="Miller")] * 50 + [named(family="Quillfeather")]
    model = MODEL.fitted(51, learn(crowd))

    common = total(compare(crowd[0], crowd[1], model), model)
    rare = total(compare(crowd[-1], crowd[-1], model), model)

    assert rare > common


def test_what_would_have_changed_the_answer_changes_it() -> None:
    found = explain(person(birth="1980-02-03"), person(birth="1951-11-30"), MODEL)

    assert found.what_if
    assert all(other.decision != found.decision for other in found.what_if)


def test_an_explanation_shows_what_was_written_and_what_was_compared() -> None:
    found = explain(Raw(full="张伟", gender="男"), Raw(full="ZHANG Wei", gender="male"), MODEL)
    family = next(bar for bar in found.bars if bar.field == "family")

    assert (family.raw_a, family.raw_b) == ("张伟", "ZHANG Wei")
    assert family.normal_a == "zhang"


def test_a_picture_takes_any_text() -> None:
    assert "<b>" not in to_svg(explain(person(given="<b>\x00\ud800"), person(given="<b>"), MODEL))


LONG = Raw(
    full="欧阳阿卜杜拉赫曼买买提依明江图尔荪巴依热合木提",
    others=("Abdurahman Ouyang Maimaitiyiming Tursunbay",),
    birth_date="1980-02-03",
    emails=("a.very.long.mailbox.that.never.ends@department.of.an.example.org",),
    addresses=(Address(line="北京市朝阳区建国路八十八号现代城五号楼二单元一千二百零三室", postcode="100022"),),
)


@pytest.mark.parametrize("other", [LONG, Raw(full="欧阳阿卜杜拉赫曼", birth_date="1980-02-03"), person(), Raw()])
def test_nothing_in_a_picture_overlaps_or_is_cut(other: Raw) -> None:
    found = explain(LONG, other, MODEL)

    picture = ET.fromstring(to_svg(found, ("a" * 36, "客" * 36), ["said " * 60, "说" * 200]))
    texts = [box for text in picture.iter(f"{SVG}text") for box in boxes(text)]
    assert all(left >= 0 and right <= float(picture.attrib["width"]) for left, right, _, _ in texts)
    assert all(top >= 0 and bottom <= float(picture.attrib["height"]) for _, _, top, bottom in texts)
    assert not [
        (one, other)
        for one, other in combinations(texts, 2)
        if one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
    ]
    written = "".join(text.text or "" for text in picture.iter(f"{SVG}text")).replace(" ", "")
    assert all(value.replace(" ", "") in written for bar in found.bars for value in (bar.raw_a, bar.normal_b))


def boxes(text: ET.Element) -> Iterator[tuple[float, float, float, float]]:
    """Left, right, top and bottom of a text in a broad font: Chinese letters are square, others narrower."""
    if not text.text or not text.text.strip():
        return
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    room = sum(12 if east_asian_width(letter) == "W" else 7.6 for letter in text.text.rstrip())
    left = x - room if text.attrib["text-anchor"] == "end" else x
    yield left, left + room, y - 11, y + 3


def test_what_identifies_somebody_can_be_left_out() -> None:
    found = explain(Raw(identifiers=(("tax", "4711-0815"),)), Raw(identifiers=(("tax", "4711-0815"),)), MODEL)

    told = to_json(without_identifiers(found, "***"))

    assert b"0815" in to_json(found)
    assert b"0815" not in told
    assert b"***" in told


def test_a_street_is_shown_as_it_was_written() -> None:
    def street(address: Address) -> str:
        return shown_raw(Raw(addresses=(address,)))["street"]

    assert street(Address(line="Lindenweg", number="4")) == "Lindenweg 4"
    assert street(Address(street="Lindenweg", number="4", line="Lindenweg 4, Berlin")) == "4 Lindenweg"
    assert street(Address(line="Lindenweg 4, Berlin")) == "Lindenweg 4, Berlin"
    assert street(Address(number="4")) == "4"


def test_a_model_is_the_same_after_being_written() -> None:
    assert from_json(model_json(MODEL)) == MODEL
    assert from_json(model_json(MODEL)).id == MODEL.id


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b"[1]"])
def test_what_is_no_model_is_refused(text: bytes) -> None:
    with pytest.raises(UnknownModel, match="not a matching model"):
        from_json(text)


def test_a_model_that_nothing_compares_by_is_refused() -> None:
    with pytest.raises(UnknownModel, match="nothing compares field birth"):
        from_json(model_json(MODEL).replace(b'"typo"', b'"smudge"'))


def test_an_unknown_name_of_a_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownModel, match="default"):
        shipped("none")


def test_doubling_a_base_takes_one_bit_from_the_prior() -> None:
    double = MODEL.fitted(MODEL.size * 2, MODEL.frequencies)

    assert MODEL.prior - double.prior == 1000


def test_weights_fit_into_the_arrays_of_a_file() -> None:
    assert np.iinfo(np.int16).max > max(
        MODEL.frequencies.rarity(table, "never seen") for table in ("identity", "phone")
    )
