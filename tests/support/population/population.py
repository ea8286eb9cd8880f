"""Groups of subjects, look-alikes among them, and the records that sources keep of each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.population.records import COLUMNS, of_company, of_person
from tests.support.population.subjects import (
    Company,
    Person,
    ascii_of,
    company,
    credit_code,
    given_glyphs,
    given_name,
    moved,
    person,
    resident_id,
)

Subject = Person | Company


class Lookalike(NamedTuple):
    """Two different entities that records easily confuse, and why."""

    a: str
    b: str
    reason: str


@dataclass(frozen=True, slots=True)
class Population:
    """Records in an order that says nothing, which entity each is of, and the pairs of entities that look alike.

    `truth` maps the id of a record to its entity.
    """

    rows: Sequence[Mapping[str, str]]
    truth: Mapping[str, str]
    lookalikes: Sequence[Lookalike]

    def write(self, records: Path, truth: Path) -> None:
        """As the two files that `custlog match evaluate` reads."""
        with records.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        with truth.open("w", encoding="utf-8", newline="") as file:
            plain = csv.writer(file, lineterminator="\n")
            plain.writerow(("id", "entity_id"))
            plain.writerows(self.truth.items())


_REPEATS = ((1, 2, 3, 4, 5), (0.72, 0.18, 0.06, 0.03, 0.01))
_FAMILIES = (
    ("alone", 0.62),
    ("household", 0.17),
    ("namesake", 0.08),
    ("father and son", 0.04),
    ("twins", 0.03),
    ("branch", 0.06),
)


def generate(records: int, seed: int, *, chinese: float = 0.6, companies: float = 0.15) -> Population:
    """About `records` records (to the end of the last group), the same for the same arguments.

    `chinese` and `companies` are shares of the groups. A quarter of the entities has more than one record, and more
    than a third of the groups are look-alikes: households, twins, father and son, namesakes, branches.
    """
    rng = Random(seed)
    rows: list[tuple[str, dict[str, str]]] = []
    lookalikes: list[Lookalike] = []
    entities = 0
    while len(rows) < records:
        reason, subjects = _group(rng, chinese=chinese, companies=companies)
        names = [f"e{entities + n:07}" for n in range(1, len(subjects) + 1)]
        entities += len(subjects)
        lookalikes += [Lookalike(a, b, reason) for n, a in enumerate(names) for b in names[n + 1 :]]
        for name, subject in zip(names, subjects, strict=True):
            rows += ((name, _record(rng, subject)) for _ in range(rng.choices(*_REPEATS)[0]))
    rng.shuffle(rows)
    truth = {}
    for n, (name, row) in enumerate(rows, start=1):
        row["id"] = f"r{n:07}"
        truth[row["id"]] = name
    return Population([row for _, row in rows], truth, lookalikes)


def _record(rng: Random, subject: Subject) -> dict[str, str]:
    return of_person(rng, subject) if isinstance(subject, Person) else of_company(rng, subject)


def _group(rng: Random, *, chinese: float, companies: float) -> tuple[str, list[Subject]]:
    is_chinese = rng.random() < chinese
    reason = rng.choices([name for name, _ in _FAMILIES], [share for _, share in _FAMILIES])[0]
    if reason == "branch":
        return reason, list(_branches(rng, company(rng, is_chinese=is_chinese)))
    if reason == "alone" and rng.random() < companies:
        return reason, [company(rng, is_chinese=is_chinese)]
    first = person(rng, is_chinese=is_chinese)
    if reason == "father and son":
        # In China a son does not take his father's name; there it is a household of two generations.
        return ("household", _parent(rng, first)) if is_chinese else (reason, _father_and_son(rng, first))
    others: dict[str, Callable[[], Iterable[Subject]]] = {
        "alone": lambda: (),
        "household": lambda: _household(rng, first),
        "namesake": lambda: (_namesake(rng, first),),
        "twins": lambda: (_sibling(rng, first, first.born),),
    }
    return reason, [first, *others[reason]()]


def _household(rng: Random, first: Person) -> Iterator[Person]:
    other = person(rng, is_chinese=first.clan is not None)
    spouse = replace(other, homes=first.homes, phones=(*other.phones, first.phones[0])[rng.randrange(2) :])
    if first.clan is None and rng.random() < 0.8:
        spouse = replace(spouse, family=first.family, former=spouse.family if rng.random() < 0.3 else "")
    if rng.random() < 0.1:
        spouse = replace(spouse, emails=first.emails)
    yield spouse
    if rng.random() < 0.4:
        yield _sibling(rng, first, first.born + timedelta(days=365 * rng.randint(20, 35)))


def _sibling(rng: Random, first: Person, born: date) -> Person:
    """Somebody with the same surname, address and phone, of their own given name."""
    own = person(rng, is_chinese=first.clan is not None)
    changed = replace(own, family=first.family, homes=first.homes, phones=first.phones[:1], born=born, former="")
    if first.clan is None:
        given = next(name for name in iter(lambda: given_name(rng, own.gender), "") if name != first.given)
        return replace(changed, given=given)
    glyphs = given_glyphs(rng, own.gender)
    if len(glyphs) == 2 and len(first.glyphs) == 2 and rng.random() < 0.5:
        glyphs = (first.glyphs[0], glyphs[1])  # siblings often share the character of their generation
    while glyphs == first.glyphs:
        glyphs = given_glyphs(rng, own.gender)
    given = "".join(glyph.han for glyph in glyphs)
    national = resident_id(rng, born, own.gender)
    return replace(changed, clan=first.clan, glyphs=glyphs, given=given, national_id=national)


def _namesake(rng: Random, first: Person) -> Person:
    other = person(rng, is_chinese=first.clan is not None)
    named = replace(
        other,
        gender=first.gender,
        given=first.given,
        family=first.family,
        clan=first.clan,
        glyphs=first.glyphs,
        national_id=resident_id(rng, other.born, first.gender) if first.clan else other.national_id,
        former="",
    )
    near = replace(other.homes[0], city=first.homes[0].city, state=first.homes[0].state, district="")
    return moved(rng, named, near)


def _father_and_son(rng: Random, son: Person) -> list[Subject]:
    """The same name at the same address, a generation apart; the suffix is not always told."""
    given = son.given if son.gender == "male" else given_name(rng, "male")
    son = replace(son, gender="male", given=given, former="", suffix=rng.choice(("Jr", "Jr.", "II")))
    other = person(rng, is_chinese=False)
    born = son.born - timedelta(days=365 * rng.randint(22, 38) + rng.randrange(365))
    father = replace(
        son,
        born=born,
        suffix=rng.choice(("Sr", "Sr.", "")),
        middle=son.middle if rng.random() < 0.5 else other.middle,
        phones=(*other.phones, son.phones[0])[rng.randrange(2) :],
        emails=other.emails if ascii_of(other.given) else (),
        national_id=other.national_id,
    )
    return [son, father]


def _parent(rng: Random, child: Person) -> list[Subject]:
    return [child, _sibling(rng, child, child.born - timedelta(days=365 * rng.randint(22, 38)))]


def _branches(rng: Random, head: Company) -> Iterator[Company]:
    yield head
    for _ in range(rng.choice((1, 1, 2))):
        other = company(rng, is_chinese=bool(head.words))
        place = other.home.city.removesuffix("市")
        yield replace(
            head,
            branch=f"{place}分公司" if head.words else f"{place} Branch",
            home=other.home,
            phones=other.phones if rng.random() < 0.9 else head.phones,
            credit_code=credit_code(rng) if head.credit_code else "",
        )
