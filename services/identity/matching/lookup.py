"""Blind tokens of phone numbers, e-mail addresses and identifiers: by them a customer is found, and nothing is learned.

Each field has a key of its own. Where there are few possible values the token is cut so short that many of them share
it: whoever tries out all phone numbers against a stolen table and key finds hundreds for each entry. Who asks gets
candidates, and has to compare them with what is sealed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from services.identity.matching.features import Features
from services.identity.matching.spelling import compact

Field: TypeAlias = Literal["phone", "email", "identifier"]

NUMBERS: Mapping[Field, int] = {"phone": 1, "email": 2, "identifier": 3}
"""Under which number a field is stored: never give one to another field."""
BYTES: Mapping[Field, int] = {"phone": 3, "email": 8, "identifier": 3}
"""Length of a token. There are about 10^10 phone numbers and 10^9 tax or social security numbers."""


_CONTACTS: Mapping[str, Field] = {"phone": "phone", "email": "email"}


class Token(NamedTuple):
    """What stands in the index instead of a value."""

    field: int
    digest: bytes


Tokens: TypeAlias = Callable[[Features], frozenset[Token]]


def values(features: Features) -> Iterable[tuple[Field, str]]:
    """The values of a customer that it can be found by, in one form."""
    for kind, value in features.contacts.values():
        field = _CONTACTS.get(kind)
        if field is not None and (form := wanted(field, value)):
            yield field, form
    for kind, value in features.identifiers:
        if compact(value):
            yield "identifier", wanted("identifier", value, kind)


def wanted(field: Field, value: str, kind: str = "") -> str:
    """What somebody looks for, in the same form; `kind` is the type of an identifier."""
    if field == "email":
        return value.strip().casefold()
    return f"{kind.casefold()}:{compact(value)}" if field == "identifier" else compact(value)


def token_of(key: bytes) -> Callable[[Field, str], Token]:
    """From a field and a value in its form to the token. Raises ValueError (stop) for a key that protects nothing."""
    if len(key) < 16:
        raise ValueError("the blind index needs the key that the key-encryption key file gives")
    keys = {field: hmac.digest(key, f"custlog look-up {field} v1".encode(), "sha256") for field in NUMBERS}

    def of(field: Field, value: str) -> Token:
        digest = hmac.digest(keys[field], value.encode(errors="surrogatepass"), "sha256")
        return Token(NUMBERS[field], digest[: BYTES[field]])

    return of


def tokens(key: bytes) -> Tokens:
    """From features to all their tokens."""
    token = token_of(key)
    return lambda features: frozenset(token(field, value) for field, value in values(features))
