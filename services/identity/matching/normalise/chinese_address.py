"""Chinese addresses: province, city, district, road, number, building, unit and room, by the characters that end each."""

from __future__ import annotations

import re
from functools import lru_cache

from services.identity.matching.normalise.pinyin import syllables
from services.identity.matching.normalise.places import DIRECTIONS, MUNICIPALITIES, PROVINCES
from services.identity.matching.normalise.text import fold, han, known
from services.identity.matching.record import Address, Home

_PROVINCE = re.compile("(" + "|".join(PROVINCES) + ")(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)?")
_CITY = re.compile("([\u3400-\u9fff]{2,6}?)(?:市|地区|自治州|盟)")
_DISTRICT = re.compile("([\u3400-\u9fff]{1,7}?)(?:新区|开发区|自治县|自治旗|林区|区|县|旗|市)(?!路|街|道)")
_TOWN = re.compile("([\u3400-\u9fff]{1,8}?)(?:街道办事处|街道|镇|乡)(?!路|街)")
_ROAD = re.compile("([\u3400-\u9fff\\da-z]{1,12}?)(大道|大街|公路|胡同|路|街|道|巷|弄|里)(?=[^路街]|$)")
_NUMBER = re.compile(r"(?:第)?(\d+(?:[-之]\d+)?[a-z甲乙丙]?)(?:号|號)(?!楼|院|栋|幢|线|室)")
_ROOM = re.compile(
    r"(?<![\d])(\d{1,5}|[a-z]\d{0,5}|[一二三四五六七八九十]{1,3})(?:号)?(栋|幢|座|号楼|楼|单元|层|室|房|户)"
)
_TAIL = re.compile(r"(?:^|[^\d])(\d{1,4}(?:-\d{1,5})*)\s*$")
_KINDS = {"路": "rd", "街": "st", "大街": "st", "大道": "ave", "道": "rd", "公路": "hwy", "胡同": "ln", "巷": "ln", "弄": "ln",
          "里": "li"}  # fmt: skip
_LEVEL = re.compile("(?:特别行政区|(?:壮族|回族|维吾尔)?自治区|自治州|自治县|地区|新区|街道|省|市|区|县|镇|乡|村)$")
_HAN_DIGITS = {digit: str(number) for number, digit in enumerate("零一二三四五六七八九十")}


@lru_cache(maxsize=65_536)
def romanised_place(folded: str) -> str:
    """A place in Han characters without its level, romanised: 浦东新区 is pudong, 上海市 shanghai."""
    characters = han(folded)
    bare = _LEVEL.sub("", characters)
    return "".join(syllables(bare if len(bare) > 1 or (bare and len(characters) > 2) else characters))


def chinese(address: Address, folded: str, code: str) -> Home:
    """An address with Han characters taken apart; parts that the source gives win over what its line says."""
    rest = fold(known(address.line))
    province = city = district = ""
    if not address.state:
        province, rest = _taken(_PROVINCE, rest)
    if not address.city:
        city, rest = _taken(_CITY, rest)
    if not address.district:
        district, rest = _taken(_DISTRICT, rest)
        if rest and address.line:
            _, rest = _taken(_TOWN, rest)
    rest += "".join(fold(known(part)) for part in (address.street, address.number, address.extra))
    name, number, unit = road(rest)
    if not city and province in MUNICIPALITIES:
        city = province
    state = address.state or province
    return Home(
        country=code or "CN",
        region=romanised_place(fold(known(state))) or "",
        city=_place(address.city) or romanised_place(city) or _place(address.suburb),
        district=_place(address.district) or romanised_place(district) or _place(address.suburb),
        road=name,
        number=number or _digits(address.number),
        unit=unit,
        postcode=_digits(address.postcode) or _postcode(rest),
        han=han(folded),
    )


def _place(text: str) -> str:
    given = fold(known(text))
    return romanised_place(given) if han(given) else " ".join(given.split())


def _digits(text: str) -> str:
    return "".join(letter for letter in fold(known(text)) if letter.isalnum() and letter.isascii())


def _postcode(rest: str) -> str:
    found = re.search(r"(?<!\d)\d{6}(?!\d)", rest)
    return found[0] if found else ""


def _taken(level: re.Pattern[str], rest: str) -> tuple[str, str]:
    """The name that stands before one administrative level, and what follows it."""
    match = level.match(rest.lstrip(" ,"))
    return (match[1], rest.lstrip(" ,")[match.end() :]) if match else ("", rest)


@lru_cache(maxsize=65_536)
def road(rest: str) -> tuple[str, str, str]:
    """Name of a road, house number and unit: 南京东路5号3栋2单元501室 is ("nanjing east rd", "5", "3-2-501")."""
    found = _ROAD.search(rest)
    name = ""
    if found is not None:
        name = _road_name(found[1], found[2])
        rest = rest[found.end() :]
    lane = re.match(r"(\d+)弄", rest)
    if lane is not None:
        name, rest = f"{name} {lane[1]} ln".strip(), rest[lane.end() :]
    house = _NUMBER.search(rest)
    number = ""
    if house is not None:
        number, rest = house[1].replace("之", "-"), rest[: house.start()] + " " + rest[house.end() :]
    rooms = [_HAN_DIGITS.get(room, room) for room, _ in _ROOM.findall(rest)]
    if not rooms:
        tail = _TAIL.search(rest)
        rooms = [tail[1]] if tail else []
    if not name:
        name = "".join(syllables(han(_ROOM.sub("", rest))))[:64]
    return name, number, "-".join(rooms)


def _road_name(characters: str, kind: str) -> str:
    direction = DIRECTIONS.get(characters[-1]) if len(characters) > 2 else None
    base = characters[:-1] if direction else characters
    words = ["".join(syllables(base)), direction or "", _KINDS[kind]]
    return " ".join(word for word in words if word)
