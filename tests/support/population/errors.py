"""What happens to values on their way into a record: typing, abbreviating, formatting, leaving out."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tests.support.population import western
from tests.support.population.chinese import Glyph
from tests.support.population.subjects import Home, ascii_of

_NEAR = {"a": "sq", "e": "wr", "i": "uo", "o": "ip", "n": "bm", "s": "ad", "t": "ry", "r": "et", "l": "k", "m": "n"}
_PLACEHOLDER_PHONES = ("13800138000", "13800000000", "0000000000", "1234567890", "9999999")
_PLACEHOLDER_DATES = ("1900-01-01", "1970-01-01", "0000-00-00")


def typo(rng: Random, text: str) -> str:
    """One slip of the keyboard; digits stay digits."""
    if len(text) < 2:
        return text
    at = rng.randrange(len(text))
    letter = text[at]
    other = str(rng.randrange(10)) if letter.isdigit() else rng.choice(_NEAR.get(letter.lower(), "aeinrst"))
    match rng.randrange(4):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + other + text[at:]
        case 2:
            return text[:at] + other + text[at + 1 :]
        case _:
            at = min(at, len(text) - 2)
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def written_date(rng: Random, day: date) -> str:
    """A date as forms carry it: mostly right, sometimes partial, swapped, slipped or a stand-in."""
    chance = rng.random()
    if chance < 0.02:
        return rng.choice(_PLACEHOLDER_DATES)
    if chance < 0.04:
        return f"{day.year}"
    if chance < 0.06 and day.day <= 12:
        day = date(day.year, day.day, day.month)
    elif chance < 0.08:
        day = day + timedelta(days=rng.choice((1, -1, 10, -10, 30, 365)))
    style = rng.choices(("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%Y/%m/%d", "%Y年%-m月%-d日"), (6, 2, 1, 1, 0.3))[0]
    return day.strftime(style)


def written_phone(rng: Random, number: str) -> str:
    """A phone number in one of the usual ways of writing it; rarely a stand-in or mistyped."""
    chance = rng.random()
    if chance < 0.015:
        return rng.choice(_PLACEHOLDER_PHONES)
    code = next(code for code in ("+86", "+44", "+61", "+49", "+353", "+1") if number.startswith(code))
    rest = number.removeprefix(code)
    if chance < 0.04:
        rest = typo(rng, rest)
    trunk = "" if code == "+1" or (code == "+86" and rest.startswith("1")) else "0"
    style = rng.randrange(6)
    if style == 0:
        return code + rest
    if style == 1:
        return f"{code} {rest[:3]} {rest[3:7]} {rest[7:]}".strip()
    if style == 2:
        return f"00{code[1:]}{rest}"
    if style == 3:
        return f"{trunk}{rest[:3]}-{rest[3:7]}-{rest[7:]}".strip("-")
    extension = f" ext. {rng.randint(1, 99)}" if rng.random() < 0.02 else ""
    return trunk + rest + extension


def written_email(rng: Random, address: str) -> str:
    """An address with the slips and habits that mail systems forgive, and some that they do not."""
    chance = rng.random()
    local, _, domain = address.partition("@")
    if chance < 0.06:
        return address.upper() if rng.random() < 0.3 else address.capitalize()
    if chance < 0.09:
        return f"{local}+{rng.choice(('shop', 'news', 'test'))}@{domain}"
    if chance < 0.12:
        return f"{typo(rng, local)}@{domain}"
    return address


def written_home(rng: Random, home: Home) -> dict[str, str]:
    """The columns of an address: in one line or in parts, abbreviated, with slips."""
    if home.country == "CN":
        return _chinese_home(rng, home)
    street, number = home.street, home.number
    if rng.random() < 0.4:
        for long, short in western.STREET_TYPES:
            street = street.replace(f" {long}", f" {short}{rng.choice(('', '.'))}")
    if rng.random() < 0.04:
        street = typo(rng, street)
    if rng.random() < 0.03:
        number = typo(rng, number)
    unit = home.unit if rng.random() < 0.7 else ""
    row = {"city": home.city, "state": home.state, "postcode": home.postcode, "country": home.country}
    if rng.random() < 0.5:
        row |= {"street_number": number, "street": street, "street_2": unit}
    else:
        row |= {"street": f"{number} {street}{', ' + unit if unit else ''}"}
    for name, missing in (("postcode", 0.12), ("state", 0.25), ("country", 0.3), ("city", 0.05)):
        if rng.random() < missing:
            row[name] = ""
    if rng.random() < 0.03:
        row["postcode"] = typo(rng, row["postcode"])
    return row


def _chinese_home(rng: Random, home: Home) -> dict[str, str]:
    unit = home.unit if rng.random() < 0.75 else ""
    postcode = home.postcode if rng.random() < 0.4 else ""
    if rng.random() < 0.45:
        head = "".join(part for part in (home.state, home.city) if rng.random() < 0.85)
        return {"street": f"{head}{home.district}{home.street}{home.number}{unit}", "postcode": postcode}
    city = home.city.removesuffix("市") if rng.random() < 0.3 else home.city
    return {
        "street": f"{home.street}{home.number}{unit}",
        "district": home.district if rng.random() < 0.85 else "",
        "city": city,
        "state": home.state,
        "postcode": postcode,
        "country": rng.choice(("CN", "中国", "")),
    }


def western_given(rng: Random, given: str) -> str:
    """A given name as it is told: a nickname, an initial, a slip, or itself."""
    chance = rng.random()
    if chance < 0.10 and given in western.NICKNAMES:
        return rng.choice(western.NICKNAMES[given])
    if chance < 0.13:
        return f"{given[0]}."
    return typo(rng, given) if chance < 0.17 else given


def western_case(rng: Random, text: str) -> str:
    """A name without its marks, or in one case, as some systems keep it."""
    chance = rng.random()
    if chance < 0.15:
        text = ascii_of(text)
    if chance < 0.08:
        return text.upper()
    return text.lower() if chance > 0.95 else text


def chinese_words(rng: Random, glyphs: tuple[Glyph, ...], script: str) -> str:
    """Characters in a script: `han`, `traditional`, `plain` or `toned` pinyin; rarely with a homophone."""
    if script in ("plain", "toned"):
        syllables = [getattr(glyph, script) for glyph in glyphs]
        joiner = rng.choice(("", "", " ", "-"))
        return joiner.join(syllables).capitalize()
    return "".join(glyph.han if script == "han" else glyph.traditional for glyph in glyphs)
