"""What is wrong with a set of numbering rules, before it numbers anybody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal as Either

from services.identity.numbering.check import DIGITS
from services.identity.numbering.disjoint import common, places
from services.identity.numbering.facts import Facts
from services.identity.numbering.rulebook import RuleBook
from services.identity.numbering.scheme import Numbering
from services.identity.numbering.template import (
    ANY_OTHER,
    BadTemplate,
    Check,
    Date,
    Fact,
    Literal,
    Part,
    Series,
)
from services.identity.numbering.template import Sequence as SerialPart
from shared.events.numbering import NumberingRule

KINDS = {"person", "organisation"}
LONGEST = 64
"""Characters of a number, separators included."""
PERSONAL = frozenset(
    {
        "name",
        "surname",
        "given",
        "family",
        "birth",
        "born",
        "dob",
        "age",
        "gender",
        "sex",
        "phone",
        "mobile",
        "tel",
        "email",
        "mail",
        "address",
        "street",
        "postcode",
        "zip",
        "passport",
        "ssn",
        "ric",
        "tax",
        "national",
        "identity",
        "bank",
        "iban",
        "religion",
        "health",
        "ethnic",
    }
)
"""Words that mark a classification scheme as personal: what it holds never stands in a number. Long ones count inside
others (`birthdate`), short ones by themselves alone (`age`, not `language`)."""
_LONG = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend (error) or to know (warning); `rule` is "" for the set as a whole."""

    level: Either["error", "warning"]
    rule: str
    message: str


def lint(rules: Sequence[NumberingRule], book: RuleBook) -> list[Finding]:
    """What is wrong with these rules as the set that comes after those of the book. Without errors it may be set."""
    findings: list[Finding] = []
    ready: list[Numbering] = []
    for rule in rules:
        try:
            ready.append(Numbering(rule))
        except BadTemplate as error:
            findings.append(Finding("error", rule.id, f"{error}."))
        except (KeyError, ValueError, OSError):
            findings.append(Finding("error", rule.id, "there is no time zone of this name; write e.g. Asia/Shanghai."))
    for numbering in ready:
        findings.extend(_of_rule(numbering))
        findings.extend(_since_before(numbering, book.rule(numbering.rule.id)))
    findings.extend(_ids(rules))
    findings.extend(_meetings(ready, book))
    findings.extend(_catch_all(ready, complete=len(ready) == len(rules)))
    return findings


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "error"]


def _of_rule(numbering: Numbering) -> Iterator[Finding]:
    rule = numbering.rule
    for message in (*_conditions(rule), *_privacy(numbering), *_overflow(numbering), *_form(numbering)):
        yield Finding("error", rule.id, message)
    for message in _advice(numbering):
        yield Finding("warning", rule.id, message)


def _conditions(rule: NumberingRule) -> Iterator[str]:
    for condition in rule.when:
        if not condition.is_in and not condition.not_in:
            yield f"the condition on {condition.fact} names no value; say is_in or not_in."
        unknown = {*condition.is_in, *condition.not_in} - KINDS
        if condition.fact == "kind" and unknown:
            yield f"there is no kind {', '.join(sorted(unknown))}; there are {', '.join(sorted(KINDS))}."


def _privacy(numbering: Numbering) -> Iterator[str]:
    for part in numbering.parts:
        if isinstance(part, Fact) and part.name.startswith("class.") and _is_personal(part.name.removeprefix("class.")):
            yield f"{part.name} sounds personal; nothing personal may stand in a number, which everybody sees."


def _is_personal(scheme: str) -> bool:
    words = re.split(r"[^a-z0-9]+", scheme.lower())
    return any(word in PERSONAL or any(len(p) >= _LONG and p in word for p in PERSONAL) for word in words)


def _overflow(numbering: Numbering) -> Iterator[str]:
    rule = numbering.rule
    has_series = any(isinstance(part, Series) for part in numbering.parts)
    if (rule.overflow == "next_prefix") != has_series:
        yield "overflow next_prefix and {series:...} go together: the series says which prefix comes next."
    if rule.start > numbering.last:
        yield f"it starts at {rule.start}, and its widest serial is {numbering.last}."
    if rule.use == "issue" and numbering.next(_sample(numbering), rule.start) is None:
        yield "it holds back every serial, so it can number nobody."


def _sample(numbering: Numbering) -> tuple[str, ...]:
    parts = [part for part in numbering.parts if isinstance(part, Fact | Date)]
    return tuple("0" * part.width for part in parts)


def _form(numbering: Numbering) -> Iterator[str]:
    rule = numbering.rule
    longest = len(places(numbering)) + sum(
        len(part.text) - len(part.canonical) for part in numbering.parts if isinstance(part, Literal)
    )
    if longest > LONGEST:
        yield f"its numbers may have {longest} characters; at most {LONGEST} fit."
    kept = {character for part in numbering.parts for character in _always(part) if character in rule.without}
    if kept:
        yield f"its fixed text holds {', '.join(sorted(kept))}, which it is to be without."
    check = numbering.parts[-1]
    letters = [part for part in numbering.parts if isinstance(part, Fact | Series) and _may_be_letters(part)]
    serial = next(part for part in numbering.parts if isinstance(part, SerialPart))
    if isinstance(check, Check) and not check.scheme.letters and (letters or set(serial.alphabet) - set(DIGITS)):
        yield "its check covers digits alone and the number has letters that vary; use mod37_36 or mod97_10."


def _always(part: Part) -> str:
    return part.text if isinstance(part, Literal) else part.characters if isinstance(part, Series) else ""


def _may_be_letters(part: Fact | Series) -> bool:
    if isinstance(part, Series):
        return not part.characters.isdigit()
    return part.mapped is None or not all(shown.isdigit() for shown in part.mapped.values())


def _advice(numbering: Numbering) -> Iterator[str]:
    names = {part.name for part in numbering.parts if isinstance(part, Date)}
    if not isinstance(numbering.parts[-1], Check):
        yield "it has no check character, so a typing error leads to another customer."
    if "mm" in names and not names & {"yyyy", "yy"}:
        yield "it shows the month without the year; serials go on where they were a year before."
    if "dd" in names and "mm" not in names:
        yield "it shows the day without the month; serials go on where they were a month before."
    if numbering.rule.gaps == "leases" and numbering.rule.use == "import":
        yield "numbers of another system are not leased; gaps is of no effect."


def _since_before(numbering: Numbering, before: Numbering | None) -> Iterator[Finding]:
    if before is None:
        return
    now, old = numbering.rule, before.rule
    fixed = ("template", "zone", "start", "step", "without", "overflow", "use")
    changed = [name for name in fixed if getattr(now, name) != getattr(old, name)]
    if changed:
        yield Finding(
            "error",
            now.id,
            f"{', '.join(changed)} differ from the {now.id} that was set before, whose numbers are known by it; "
            "give the rule a new id.",
        )


def _ids(rules: Sequence[NumberingRule]) -> Iterator[Finding]:
    ids = [rule.id for rule in rules]
    for twice in sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
        yield Finding("error", twice, "two rules have this id.")


def _meetings(ready: Sequence[Numbering], book: RuleBook) -> Iterator[Finding]:
    new = {numbering.rule.id for numbering in ready}
    gone = [numbering for numbering in book.every() if numbering.rule.id not in new]
    for one, other in (*combinations(ready, 2), *product(ready, gone)):
        if one.rule.id != other.rule.id and (number := common(one, other)) is not None:
            yield Finding(
                "error",
                one.rule.id,
                f"a number such as {number} has the form of rule {other.rule.id} too; "
                "give it another prefix or another length.",
            )


def _catch_all(ready: Sequence[Numbering], *, complete: bool) -> Iterator[Finding]:
    places_of = [place for place, numbering in enumerate(ready) if takes_everybody(numbering)]
    if not places_of:
        if complete:
            yield Finding(
                "error",
                "",
                "no rule takes everybody without end, and a registration cannot be refused; end with a rule without "
                "conditions that widens, e.g. the built-in numbering.default.v1.",
            )
        return
    for numbering in ready[places_of[0] + 1 :]:
        if numbering.rule.use == "issue":
            yield Finding("warning", numbering.rule.id, f"{ready[places_of[0]].rule.id} before it takes everybody.")


def takes_everybody(numbering: Numbering) -> bool:
    """Whether this rule has a number for every customer, for ever."""
    facts = [part for part in numbering.parts if isinstance(part, Fact)]
    known = all(part.mapped is not None and ANY_OTHER in part.mapped for part in facts)
    return known and numbering.matches(Facts()) and not numbering.rule.when and numbering.rule.overflow == "widen"
