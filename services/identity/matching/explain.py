"""Why two records are, or are not, taken for one customer: prior and bars that add up to the weight exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import log2

import msgspec

from services.identity.matching.compare import Band, Levels, band, compare, total, weigh
from services.identity.matching.frequencies import UNSEEN
from services.identity.matching.guards import conflict
from services.identity.matching.keys import keys
from services.identity.matching.model import FIELDS, LEVELS, Model
from services.identity.matching.normalise.record import VERSION, normalise
from services.identity.matching.normalise.steps import Explained, steps
from services.identity.matching.record import Normal, Raw
from services.identity.matching.shown import shown_normal, shown_raw

_TABLES: Mapping[str, str] = {"street": "road"}


class ExplainedBar(msgspec.Struct, frozen=True):
    """One addend in thousandths of a bit, with what both records say: as given, and in the form that was compared.

    `note` says how rare an agreed value is, or which limit was reached.
    """

    field: str
    level: str
    weight: int
    raw_a: str = ""
    raw_b: str = ""
    normal_a: str = ""
    normal_b: str = ""
    note: str = ""


class WhatIf(msgspec.Struct, frozen=True):
    """One field at another level, and the answer that this would have given."""

    field: str
    level: str
    weight: int
    decision: Band


class Explanation(msgspec.Struct, frozen=True):
    """`prior` and the weights of `bars` add up to `weight` exactly.

    `decision` is what the weight alone says, `guard` what forbids to act on it or "". `keys` are the kinds of keys
    that both records have: without one they are never compared. Those of them in `too_common` do not count: so many
    others have these keys as well that they bring nobody together. `model` and `normaliser` are versions. `steps_a`
    and `steps_b` say how every value came to its normalised form.
    """

    weight: int
    prior: int
    decision: Band
    guard: str
    bars: tuple[ExplainedBar, ...]
    keys: tuple[str, ...]
    what_if: tuple[WhatIf, ...]
    merge: int
    review: int
    model: str
    normaliser: str
    steps_a: tuple[Explained, ...] = ()
    steps_b: tuple[Explained, ...] = ()
    too_common: tuple[str, ...] = ()


_LIMITS: Mapping[str, str] = {
    "moved": "people move: all parts of an address together weigh no less",
    "household": "a household shares these: they tell nobody apart from who lives with them",
    "twins": "twins share these too",
    "namesakes": "father and son share these too",
    "names": "a name alone does not make one person",
    "branches": "branches of one company share these",
}


def explain(a: Raw, b: Raw, model: Model, country: str = "") -> Explanation:
    """Explains any pair of records, compared before or not. Never fails. Holds personal data: never log it."""
    left, right = normalise(a, country), normalise(b, country)
    levels = compare(left, right, model)
    score = weigh(levels, model)
    raw_a, raw_b = shown_raw(a), shown_raw(b)
    normal_a, normal_b = shown_normal(left), shown_normal(right)
    bars = tuple(
        ExplainedBar(
            bar.field,
            bar.level,
            bar.weight,
            raw_a.get(bar.field, ""),
            raw_b.get(bar.field, ""),
            normal_a.get(bar.field, ""),
            normal_b.get(bar.field, ""),
            _LIMITS.get(bar.field) or _note(bar.field, levels, model),
        )
        for bar in score.bars
    )
    return Explanation(
        weight=score.weight,
        prior=score.prior,
        decision=score.band,
        guard=conflict((left,), (right,), model) or "",
        bars=bars,
        keys=shared_keys(left, right),
        what_if=what_if(levels, model),
        merge=model.merge,
        review=model.review,
        model=model.id,
        normaliser=VERSION,
        steps_a=tuple(steps(a, country)),
        steps_b=tuple(steps(b, country)),
    )


def without_identifiers(explanation: Explanation, mask: str) -> Explanation:
    """The same for those who may not see what identifies somebody: `mask` stands for every such value."""
    return msgspec.structs.replace(
        explanation,
        bars=tuple(_masked(bar, mask) if bar.field == "identity" else bar for bar in explanation.bars),
        steps_a=tuple(_untold(step, mask) for step in explanation.steps_a),
        steps_b=tuple(_untold(step, mask) for step in explanation.steps_b),
    )


def _masked(bar: ExplainedBar, mask: str) -> ExplainedBar:
    return msgspec.structs.replace(bar, raw_a=mask, raw_b=mask, normal_a=mask, normal_b=mask)


def _untold(explained: Explained, mask: str) -> Explained:
    if explained.field.partition(" ")[0] != "identifiers":
        return explained
    return Explained(explained.field, mask, tuple((name, mask) for name, _ in explained.steps))


def shared_keys(a: Normal, b: Normal) -> tuple[str, ...]:
    """The kinds of keys that two records share."""
    shared = set(keys(a)) & set(keys(b))
    return tuple(sorted({key.partition(":")[0] for key in shared}))


def what_if(levels: Levels, model: Model) -> tuple[WhatIf, ...]:
    """Every single field whose full agreement or clear difference would have led to another decision."""
    answer = band(total(levels, model), model)
    found = []
    for place, field in enumerate(FIELDS):
        for level in _alternatives(field, levels.codes[place]):
            codes = (*levels.codes[:place], level, *levels.codes[place + 1 :])
            rarities = (*levels.rarities[:place], _usual(field), *levels.rarities[place + 1 :])
            weight = total(Levels(codes, rarities), model)
            if band(weight, model) != answer:
                found.append(WhatIf(field, LEVELS[field][level], weight, band(weight, model)))
    return tuple(found)


def _alternatives(field: str, code: int) -> tuple[int, ...]:
    if not code or field in {"order", "kind", "branch"}:
        return ()
    return (len(LEVELS[field]) - 1,) if code == 1 else (1,)


def _usual(field: str) -> int:
    """The rarity of a value that nobody else is known to have, in thousandths of a bit."""
    table = _TABLES.get(field, field)
    return round(-1000 * log2(UNSEEN[table])) if table in UNSEEN else 0


def _note(field: str, levels: Levels, model: Model) -> str:
    place = FIELDS.index(field)
    rarity = levels.rarities[place]
    if not rarity or not model.rare[place][levels.codes[place]]:
        return ""
    return f"1 in {2 ** (rarity / 1000):,.0f} has this value"


def to_json(explanation: Explanation) -> bytes:
    """One JSON object. Never fails: halves of a character, which no encoding takes, are written as escapes."""
    try:
        return msgspec.json.encode(explanation)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(explanation)).encode()
