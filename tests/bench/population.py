"""People as a large base has them: a few names that many share, many that few share, and one in ten told twice.

Given names, family names, streets and places are drawn from FEBRL's originals as often as they occur there; a quarter
of the family names are rare ones, put together from syllables. Row `n` depends on the seed and `n` only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

from deploy.demo import febrl

SOURCES = ("crm", "shop")
TWICE = 0.1
RARE = 0.25
COLUMNS = (
    "external_id", "given_name", "family_name", "birth_date", "phone", "email", "street_number", "address_1",
    "locality", "region", "postcode", "country", "id_type", "id_value",
)  # fmt: skip

_SYLLABLES = ("ba", "chen", "da", "el", "for", "gan", "hu", "il", "ko", "lan", "mer", "no", "os", "pe", "ro", "sten")
_FIRST_BIRTH = date(1935, 1, 1)
_BIRTH_DAYS = 75 * 365
_PRIME = 999_999_937


@dataclass(frozen=True, slots=True)
class Person:
    """One record of somebody; an empty text is unknown."""

    given: str
    family: str
    born: str
    phone: str
    email: str
    house: str
    street: str
    place: tuple[str, str, str]
    """Locality, region, postcode."""
    identifier: str


@dataclass(frozen=True, slots=True)
class Population:
    """The rows of one seed, without end."""

    seed: int
    given: tuple[str, ...]
    family: tuple[str, ...]
    streets: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, seed: int) -> Population:
        """FileNotFoundError with the remedy if FEBRL is not installed."""
        known = [record for record in febrl.records() if record["rec_id"].endswith("-org")]

        def column(name: str) -> tuple[str, ...]:
            return tuple(record[name] for record in known if record[name])

        places = tuple((record["suburb"], record["state"], record["postcode"]) for record in known if record["suburb"])
        return cls(seed, column("given_name"), column("surname"), column("address_1"), places)

    def record(self, number: int) -> Person:
        """What row `number` says: of somebody new, or once more, with errors, of the person of an earlier row."""
        random = Random(self.seed << 40 | number)
        if number and random.random() < TWICE:
            return self._told_again(self._person(random.randrange(number)), random)
        return self._person(number)

    def write(self, numbers: Iterable[int], folder: Path) -> dict[str, Path]:
        """A CSV file for each source; even rows come from the first, odd ones from the second."""
        files = {source: folder / f"{source}.csv" for source in SOURCES}
        opened = [file.open("w", encoding="utf-8", newline="") for file in files.values()]
        try:
            writers = [csv.writer(file, lineterminator="\n") for file in opened]
            for writer in writers:
                writer.writerow(COLUMNS)
            for number in numbers:
                writers[number % len(SOURCES)].writerow(_row(number, self.record(number)))
        finally:
            for file in opened:
                file.close()
        return files

    def _person(self, number: int) -> Person:
        random = Random(~(self.seed << 40 | number))
        given, family = random.choice(self.given), self._family(random)
        born = _FIRST_BIRTH + timedelta(days=random.randrange(_BIRTH_DAYS))
        serial = f"{(number + self.seed) * 7_919_301 % _PRIME:09}"
        return Person(
            given=given,
            family=family,
            born=born.isoformat() if random.random() < 0.95 else "",
            phone=f"+614{serial[1:]}" if random.random() < 0.6 else "",
            email=f"{given}.{family}{number}@example.org".replace(" ", "") if random.random() < 0.5 else "",
            house=str(random.randrange(1, 200)),
            street=random.choice(self.streets),
            place=random.choice(self.places),
            identifier=serial if random.random() < 0.7 else "",
        )

    def _family(self, random: Random) -> str:
        if random.random() >= RARE:
            return random.choice(self.family)
        return "".join(random.choice(_SYLLABLES) for _ in range(random.randrange(3, 6)))

    def _told_again(self, person: Person, random: Random) -> Person:
        """Of identifier, phone and e-mail each is often missing; a third moved house, a fifth is misspelled."""
        told = replace(
            person,
            identifier=person.identifier if random.random() < 0.5 else "",
            phone=person.phone if random.random() < 0.5 else "",
            email=person.email if random.random() < 0.3 else "",
        )
        if random.random() < 1 / 3:
            told = replace(told, street=random.choice(self.streets), place=random.choice(self.places))
        if random.random() < 1 / 5:
            cut = random.randrange(len(told.family))
            told = replace(told, family=told.family[:cut] + told.family[cut + 1 :])
        return told


def chunks(file: Path, rows: int) -> Iterator[bytes]:
    """A CSV file as files of at most so many rows, each with the header."""
    with file.open("rb") as lines:
        header = lines.readline()
        part = [header]
        for line in lines:
            part.append(line)
            if len(part) > rows:
                yield b"".join(part)
                part = [header]
        if len(part) > 1:
            yield b"".join(part)


def _row(number: int, person: Person) -> list[str]:
    told: Mapping[str, str] = {
        "external_id": f"n-{number}",
        "given_name": person.given,
        "family_name": person.family,
        "birth_date": person.born,
        "phone": person.phone,
        "email": person.email,
        "street_number": person.house,
        "address_1": person.street,
        "locality": person.place[0],
        "region": person.place[1],
        "postcode": person.place[2],
        "country": "AU",
        "id_type": person.identifier and "soc_sec",
        "id_value": person.identifier,
    }
    return [told[column] for column in COLUMNS]
