"""The people of a load: told by their number, and every personal word of theirs is recognisable as such."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

CANARY = "canary"
"""In every name, street, e-mail address, identifier and free text; look for it without regard to case."""
CANARY_PHONE = "+61499"
"""So begins every phone number."""
PHONES = 1_000_000

_FIRST_BIRTH_DATE = date(1940, 1, 1)
_BIRTH_DATES = 24_000
_PLACES = ("Adelaide", "Ballarat", "Cairns", "Dubbo", "Echuca", "Fremantle")


@dataclass(frozen=True, slots=True)
class Person:
    """A person or, every eighth, an organisation. The same number is the same one for ever."""

    number: int

    @property
    def kind(self) -> str:
        return "organisation" if self.number % 8 == 0 else "person"

    @property
    def name(self) -> dict[str, str]:
        if self.kind == "organisation":
            return {"full": f"Canaryworks{self.number:06} Trading"}
        # Rules look at the first letters of a given name; they must differ between people.
        given = f"{_letters(self.number)}Canaryname{self.number:06}"
        family = f"Canaryfamily{self.number:06}"
        return {"full": f"{given} {family}", "given": given, "family": family}

    @property
    def birth_date(self) -> str | None:
        if self.kind == "organisation":
            return None
        return (_FIRST_BIRTH_DATE + timedelta(days=self.number * 37 % _BIRTH_DATES)).isoformat()

    @property
    def phone(self) -> str:
        return canary_phone(self.number)

    @property
    def email(self) -> str:
        return canary_email(self.number)

    @property
    def address(self) -> dict[str, Any]:
        return canary_address(self.number)

    @property
    def identifier(self) -> dict[str, str]:
        return canary_identifier(self.number)

    def registration(self, external_id: str) -> dict[str, Any]:
        """The body, but for the source, that makes this one known."""
        return {
            "kind": self.kind,
            "name": self.name,
            "external_id": external_id,
            "phones": [self.phone],
            "emails": [self.email],
            "address": self.address,
            "identifiers": [self.identifier],
            "classification": {"segment": "abc"[self.number % 3]},
            "tags": [f"tag-{self.number % 5}"],
            **({"birth_date": self.birth_date} if self.birth_date else {}),
        }

    def seen_otherwise(self, rng: random.Random, external_id: str) -> dict[str, Any]:
        """The same one as another desk writes it down: one field is missing, the name may be; the identifier stays."""
        body: dict[str, Any] = self.registration(external_id)
        del body[rng.choice(("address", "phones", "emails"))]
        if rng.random() < 0.3:
            body["name"] = {"full": f"Canaryalias{self.number:06} {rng.choice(('Née', 'Junior', 'Senior'))}"}
        return body


def canary_phone(number: int) -> str:
    return f"{CANARY_PHONE}{number % PHONES:06}"


def canary_email(number: int) -> str:
    return f"canary.mail{number:06}@canary.example"


def canary_address(number: int) -> dict[str, Any]:
    return {
        "lines": [f"{number % 200 + 1} Canarystreet{number:06}"],
        "locality": _PLACES[number % len(_PLACES)],
        "postcode": f"{1000 + number % 8999:04}",
        "country": "AU",
    }


def canary_identifier(number: int) -> dict[str, str]:
    return {"type": "social", "value": f"CANARY-ID-{number:08}"}


def canary_text(number: int, about: str) -> str:
    return f"Canarytext{number:06} {about}"


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(3)).capitalize()
