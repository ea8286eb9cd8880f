"""What the matcher compares: one record as it was given, and the same record in the one form that comparisons use.

A record comes from a customer's events or from a row of a file. Its raw values are kept beside the normalised ones:
nothing that was written is ever replaced, and an explanation can show both.
"""

from __future__ import annotations

import msgspec


class Address(msgspec.Struct, frozen=True):
    """One address as it was given. `line` holds what a source did not take apart; every part may be empty."""

    line: str = ""
    street: str = ""
    number: str = ""
    extra: str = ""
    district: str = ""
    suburb: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""


class Raw(msgspec.Struct, frozen=True):
    """One record as it was given; "" and () are what is not known.

    `kind` is "person", "org" or "". `others` are other names of the same one: former, maiden, trading, transliterated.
    `identifiers` are (type, value), for instance ("national_id", …), ("soc_sec_id", …), ("credit_code", …).
    `extra` are (comparison, value) that only a mapping knows, for instance ("occupation", "tailor").
    """

    kind: str = ""
    full: str = ""
    given: str = ""
    family: str = ""
    company: str = ""
    others: tuple[str, ...] = ()
    gender: str = ""
    birth_date: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


class PersonName(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A person's name, romanised, in lower case, without titles and marks.

    `tokens` are all words in the order given; `given` and `family` are "" where nobody can tell which is which.
    `anagram` are the sorted letters of the whole name: the same for Zhang Wei, Wei Zhang and 张伟. `han` are the
    original characters, simplified, or "". `roots` are the tokens with nicknames led back (bob -> robert).
    `suffix` is "", "jr", "sr", "2", "3"…
    """

    given: str = ""
    family: str = ""
    tokens: tuple[str, ...] = ()
    anagram: str = ""
    han: str = ""
    roots: tuple[str, ...] = ()
    suffix: str = ""
    initials: str = ""


class CompanyName(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A company's name: `core` without legal form, place of registration and branch; romanised, in lower case."""

    core: str = ""
    tokens: tuple[str, ...] = ()
    legal_form: str = ""
    branch: str = ""
    han: str = ""
    region: str = ""


class Phone(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`number` is E.164 without "+", or the bare national digits where the country is not known."""

    number: str
    extension: str = ""
    placeholder: bool = False
    country_known: bool = True


class Email(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`address` with the provider's rules applied (case, dots, plus tags); `local` and `domain` of it."""

    address: str
    local: str
    domain: str
    placeholder: bool = False
    role: bool = False


class Birth(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A date of birth; 0 is a part that is not known. `placeholder` for 1900-01-01 and the like.

    `swappable` where day and month could have been taken for each other.
    """

    year: int
    month: int = 0
    day: int = 0
    swappable: bool = False
    placeholder: bool = False


class Home(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An address taken apart, romanised, in lower case; "" is what is not known."""

    country: str = ""
    region: str = ""
    city: str = ""
    district: str = ""
    road: str = ""
    number: str = ""
    unit: str = ""
    postcode: str = ""
    han: str = ""


class Identity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An identifier in its canonical spelling. `valid` by its check characters, None where there is no rule for it.

    `exclusive` says that nobody has two different ones of this type, so that two different ones tell apart.
    """

    type: str
    value: str
    valid: bool | None = None
    exclusive: bool = False


class Normal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record in the form that is compared. `kind` is "person", "org" or ""."""

    kind: str = ""
    names: tuple[PersonName, ...] = ()
    companies: tuple[CompanyName, ...] = ()
    gender: str = ""
    birth: Birth | None = None
    phones: tuple[Phone, ...] = ()
    emails: tuple[Email, ...] = ()
    homes: tuple[Home, ...] = ()
    identities: tuple[Identity, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
