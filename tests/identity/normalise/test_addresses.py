"""Addresses: the same parts from parts and from lines, Chinese and Western."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.normalise.addresses import home
from services.identity.matching.record import Address, Home


def line(text: str) -> Home:
    found = home(Address(line=text))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        "7 Wallaby Place, Cleveland NSW 2119",
        "7 Wallaby Pl, Cleveland, New South Wales, 2119, Australia",
        "7 WALLABY PLACE, CLEVELAND, NSW 2119",
        "No. 7 Wallaby Place, Cleveland, nsw 2119",
        "7 Wallabyplace, Cleveland, NSW, 2119",
    ],
)
def test_a_western_line_is_taken_apart(text: str) -> None:
    found = line(text)

    assert (found.number, found.road, found.city, found.region, found.postcode) == (
        "7",
        "wallaby pl",
        "cleveland",
        "nsw",
        "2119",
    )


def test_parts_come_out_as_a_line_does() -> None:
    parts = Address(
        street="Wallaby Place", number="7", city="Cleveland", state="NSW", postcode="2119", country="Australia"
    )

    assert home(parts) == line("7 Wallaby Place, Cleveland, NSW 2119, Australia")


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("Unit 3, 12 Baker Street, London NW1 6XE", "3", "12"),
        ("12 Baker Street, Flat 3, London NW1 6XE", "3", "12"),
        ("3/12 Baker Street, London", "3", "12"),
        ("12a Baker St, London", "", "12a"),
        ("12 Baker Street #3, London", "3", "12"),
    ],
)
def test_a_unit_is_told_from_the_house_number(text: str, unit: str, number: str) -> None:
    assert (line(text).unit, line(text).number, line(text).road) == (unit, number, "baker st")


@pytest.mark.parametrize(
    ("text", "postcode"),
    [
        ("1 High Street, London NW1 6XE", "nw16xe"),
        ("1 High Street, London nw16xe", "nw16xe"),
        ("1 Main St, Springfield, IL 62701-1234", "62701"),
        ("1 Main St, Ottawa, ON K1A 0B1", "k1a0b1"),
        ("Hauptstrasse 5, 10115 Berlin", "10115"),
    ],
)
def test_a_postcode_at_the_end_of_a_line_is_found(text: str, postcode: str) -> None:
    assert line(text).postcode == postcode


def test_a_road_in_the_second_line_is_the_road() -> None:
    found = home(Address(street="Delmar", extra="7 Wallaby Place"))

    assert found is not None
    assert (found.road, found.number, found.unit) == ("wallaby pl", "7", "delmar")


def test_the_name_of_a_building_stands_where_a_unit_does() -> None:
    found = home(Address(street="Wallaby Place", extra="Delmar", number="7"))

    assert found is not None
    assert (found.road, found.unit) == ("wallaby pl", "delmar")


@pytest.mark.parametrize(
    ("text", "road", "number", "city", "postcode"),
    [
        ("Lindenstr. 4, 10115 Berlin", "linden st", "4", "berlin", "10115"),
        ("Lindenstraße 4, D-10115 Berlin, Deutschland", "linden st", "4", "berlin", "10115"),
        ("12 rue de la Paix, 75002 Paris, France", "rue de la paix", "12", "paris", "75002"),
        ("Via Roma 10, 00184 Roma", "via roma", "10", "roma", "00184"),
        ("Calle Mayor 5, 28013 Madrid", "calle mayor", "5", "madrid", "28013"),
        ("Damrak 1, 1012 LG Amsterdam", "damrak", "1", "amsterdam", "1012lg"),
        ("Nowy Swiat 3, 00-950 Warszawa", "nowy swiat", "3", "warszawa", "00950"),
        ("Am Markt 2, 60311 Frankfurt am Main", "am markt", "2", "frankfurt am main", "60311"),
        ("12 Oak Place, 62701 Elm Street, Springfield, IL", "oak pl", "12", "springfield", ""),
    ],
)
def test_a_postcode_may_stand_before_its_town(text: str, road: str, number: str, city: str, postcode: str) -> None:
    found = line(text)

    assert (found.road, found.number, found.city, found.postcode) == (road, number, city, postcode)


@pytest.mark.parametrize(
    ("text", "road"),
    [
        ("武汉市江汉区北京路520号", "beijing rd"),
        ("北京路520号", "beijing rd"),
        ("四川北路520号", "sichuan north rd"),
        ("广东大道520号", "guangdong ave"),
        ("上海市南京路520号", "nanjing rd"),
        ("北京西单大街520号", "xidan st"),
    ],
)
def test_a_road_may_have_the_name_of_a_province(text: str, road: str) -> None:
    found = line(text)

    assert (found.road, found.number) == (road, "520")


@pytest.mark.parametrize(
    "text",
    [
        "上海市黄浦区南京东路5号3栋2单元501室",
        "上海黄浦区南京东路5号3幢2单元501",
        "上海市黃浦區南京東路５號３棟２單元５０１室",
        "上海市 黄浦区 南京东路5号 3栋 2单元 501室",
    ],
)
def test_a_chinese_line_is_taken_apart_by_its_levels(text: str) -> None:
    found = line(text)

    assert (found.region, found.city, found.district, found.road, found.number) == (
        "shanghai",
        "shanghai",
        "huangpu",
        "nanjing east rd",
        "5",
    )
    assert found.unit == "3-2-501"
    assert found.country == "CN"


@pytest.mark.parametrize(
    "text",
    [
        "No. 5 Nanjing East Road, Huangpu District, Shanghai, China",
        "5 East Nanjing Road, Huangpu District, Shanghai, China",
        "5 Nanjing Dong Lu, Huangpu Qu, Shanghai, China",
    ],
)
def test_a_chinese_address_in_latin_letters_has_the_same_parts(text: str) -> None:
    found, chinese = line(text), line("上海市黄浦区南京东路5号")

    assert (found.city, found.district, found.road, found.number) == (
        chinese.city,
        chinese.district,
        chinese.road,
        chinese.number,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("江苏省昆山市玉山镇人民路12号", ("jiangsu", "kunshan", "", "renmin rd", "12", "")),
        ("广西壮族自治区南宁市青秀区民族大道100号", ("guangxi", "nanning", "qingxiu", "minzu ave", "100", "")),
        (
            "上海市徐汇区漕溪北路1200弄10号402室",
            ("shanghai", "shanghai", "xuhui", "caoxi north rd 1200 ln", "10", "402"),
        ),
        ("北京市海淀区中关村大街1号院2号楼301", ("beijing", "beijing", "haidian", "zhongguancun st", "1", "2-301")),
        ("阳光小区3栋501室", ("", "", "", "yangguangxiaoqu", "", "3-501")),
    ],
)
def test_levels_that_are_there_are_told_and_others_not_known(text: str, expected: tuple[str, ...]) -> None:
    found = line(text)

    assert (found.region, found.city, found.district, found.road, found.number, found.unit) == expected


def test_chinese_parts_win_over_what_the_street_says() -> None:
    found = home(
        Address(street="北京市海淀区中关村大街", number="1号", extra="3栋501室", postcode="100080", city="北京市")
    )

    assert found is not None
    assert (found.city, found.district, found.road, found.number, found.unit, found.postcode) == (
        "beijing",
        "haidian",
        "zhongguancun st",
        "1",
        "3-501",
        "100080",
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PRC", "CN"),
        ("中国", "CN"),
        ("U.S.A.", "US"),
        ("United Kingdom", "GB"),
        ("deutschland", "DE"),
        ("Atlantis", ""),
    ],
)
def test_a_country_has_its_code(text: str, code: str) -> None:
    found = home(Address(country=text, city="x"))

    assert found is not None
    assert found.country == code


@pytest.mark.parametrize(
    "address", [Address(), Address(line="n/a"), Address(line="无", city="-"), Address(street="\ud800")]
)
def test_an_address_that_says_nothing_is_none(address: Address) -> None:
    assert home(address) is None


@given(
    st.builds(
        Address,
        line=st.text(max_size=40),
        street=st.text(max_size=20),
        number=st.text(max_size=6),
        city=st.text(max_size=10),
        state=st.text(max_size=10),
        postcode=st.text(max_size=10),
    )
)
def test_any_address_is_read(address: Address) -> None:
    found = home(address)

    assert found is None or found == home(address)
