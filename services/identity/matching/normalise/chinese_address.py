"""Chinese addresses: province, city, district, road, number, building and room, by the characters that end each."""

from __future__ import annotations

import re
from functools import lru_cache

from services.identity.matching.normalise.pinyin import romanised
from services.identity.matching.normalise.places import DIRECTIONS, MUNICIPALITIES, PROVINCES
from services.identity.matching.normalise.text import fold, han, known, words
from services.identity.matching.record import Address, Home

# Every large city has a Beijing Road: 北京路, 四川北路, 上海西街.
_PROVINCE = re.compile(
    "(" + "|".join(PROVINCES) + ")(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)?"
    "(?![东西南北中]?[一二三四五六]?(?:大道|大街|路|街|道|巷))"
)
_CITY = re.compile("([\u3400-\u9fff]{2,6}?)(?:市|地区|自治州|盟)")
_DISTRICT = re.compile(
    "([\u3400-\u9fff]{1,7}?)(?:新区|开发区|自治县|自治旗|林区|(?<![小社])区|县|旗|市)(?!路|街|道|场)"
)
_TOWN = re.compile("([\u3400-\u9fff]{1,8}?)(?:街道办事处|街道|镇|乡)(?!路|街)")
_ROAD = re.compile("([\u3400-\u9fff\\da-z]{1,12}?)(大道|大街|公路|胡同|路|街|道|巷|弄|里)(?=[^路街]|$)")
_NUMBER = re.compile(r"(?:第)?(\d+(?:[-之]\d+)?[a-z甲乙丙]?)号(?!楼|栋|幢|线|室)院?")
_ROOM = re.compile(
    r"(?<![\d])(\d{1,5}|[a-z]\d{0,5}|[一二三四五六七八九十]{1,3})(?:号)?(栋|幢|座|号楼|楼|单元|层|室|房|户)"
)
_TAIL = re.compile(r"(?:^|[^\d])(\d{1,4}(?:-\d{1,5})*)\s*$")
_KINDS = {
    "路": "rd", "街": "st", "大街": "st", "大道": "ave", "道": "rd", "公路": "hwy", "胡同": "ln", "巷": "ln",
    "弄": "ln", "里": "li",
}  # fmt: skip
_LEVEL = re.compile("(?:特别行政区|(?:壮族|回族|维吾尔)?自治区|自治州|自治县|地区|新区|街道|省|市|区|县|镇|乡|村)$")
_SECTION = re.compile("([一二三四五六七八九十\\d])段")
_LANE = re.compile(r"(\d+)弄")
_SIX = re.compile(r"(?<!\d)\d{6}(?!\d)")
_CODES = {"香港": "HK", "澳门": "MO", "台湾": "TW"}
_HAN_DIGITS = {digit: str(number) for number, digit in enumerate("零一二三四五六七八九十")}


@lru_cache(maxsize=8192)
def romanised_place(folded: str) -> str:
    """A place in Han characters without its level, romanised: 浦东新区 is pudong, 上海市 shanghai."""
    characters = han(folded)
    bare = _LEVEL.sub("", characters)
    return romanised(bare if len(bare) > 1 or (bare and len(characters) > 2) else characters)


def chinese(address: Address, folded: str, code: str) -> Home:
    """An address with Han characters taken apart; parts that the source gives win over what its line says."""
    rest = _folded(address.line or address.street)
    province, rest = _taken(_PROVINCE, rest)
    city, rest = _taken(_CITY, rest)
    district, rest = _taken(_DISTRICT, rest)
    if address.line:
        _, rest = _taken(_TOWN, rest)
        rest += _folded(address.street)
    name, number, unit = road(rest + _folded(address.extra) if address.extra else rest)
    if address.number:
        number = _house(address.number) or number
    if not city and province in MUNICIPALITIES:
        city = province
    return Home(
        country=code or _CODES.get(province) or "CN",
        region=romanised_place(_folded(address.state) or province),
        city=_place(address.city) or romanised_place(city) or _place(address.suburb),
        district=_place(address.district) or romanised_place(district) or _place(address.suburb),
        road=name,
        number=number,
        unit=unit,
        postcode=(_digits(address.postcode) if address.postcode else "") or _postcode(rest),
        han=han(folded),
    )


def _house(text: str) -> str:
    """A house number that has a field of its own, with or without 号."""
    given = _folded(text)
    match = _NUMBER.search(given) or _TAIL.search(given)
    return match[1].replace("之", "-") if match else _digits(text)


def _place(text: str) -> str:
    if not text:
        return ""
    given = _folded(text)
    return romanised_place(given) if han(given) else " ".join(words(given))


def _folded(text: str) -> str:
    return fold(known(text)) if text else ""


def _digits(text: str) -> str:
    return "".join(letter for letter in _folded(text) if letter.isalnum() and letter.isascii())


def _postcode(rest: str) -> str:
    found = _SIX.search(rest)
    return found[0] if found else ""


def _taken(level: re.Pattern[str], rest: str) -> tuple[str, str]:
    """The name that stands before one administrative level, and what follows it."""
    match = level.match(rest)
    return (match[1], rest[match.end() :].lstrip(" ,")) if match else ("", rest)


@lru_cache(maxsize=8192)
def road(rest: str) -> tuple[str, str, str]:
    """Name of a road, house number and unit: 南京东路5号3栋2单元501室 is ("nanjing east rd", "5", "3-2-501")."""
    found = _ROAD.search(rest)
    name = ""
    if found is not None:
        name = _road_name(found[1], found[2])
        rest = rest[found.end() :]
    section = _SECTION.match(rest)
    if section is not None:
        name, rest = f"{name} {_HAN_DIGITS.get(section[1], section[1])} sec", rest[section.end() :]
    lane = _LANE.match(rest)
    if lane is not None:
        name, rest = f"{name} {lane[1]} ln".strip(), rest[lane.end() :]
    house = _NUMBER.search(rest)
    number = ""
    if house is not None:
        number, rest = house[1].replace("之", "-"), rest[: house.start()] + " " + rest[house.end() :]
    rooms = [_HAN_DIGITS.get(room, room) for room, _ in _ROOM.findall(rest)]
    tail = _TAIL.search(rest)
    if tail is not None:
        rooms.append(tail[1])
    if not name:
        name = romanised(han(_ROOM.sub("", rest)))[:64]
    return name, number, "-".join(rooms)


def _road_name(characters: str, kind: str) -> str:
    direction = DIRECTIONS.get(characters[-1]) if len(characters) > 2 else None
    base = characters[:-1] if direction else characters
    name = romanised(base)
    return f"{name} {direction} {_KINDS[kind]}" if direction else f"{name} {_KINDS[kind]}"
