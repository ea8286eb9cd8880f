"""A matching model: versioned data that says what each observation about a pair of records is worth.

Weights are integers in thousandths of a bit, so that a sum is exact and the same on every machine. A model says, for
every level of every field, how often it is seen between two records of one customer (`same`) and between two of
different ones (`apart`), both per million, and the weight that follows: log2(same / apart), after Fellegi and Sunter
(1969). The weight of an exact agreement grows with the rarity of the value (see frequencies.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from math import log2
from types import MappingProxyType

import msgspec

from services.identity.matching.frequencies import Frequencies, typical

UNKNOWN = "unknown"

LEVELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kind": (UNKNOWN, "same", "differ"),
        "given": (UNKNOWN, "exact", "sound", "nickname", "part", "close", "similar", "differ"),
        "family": (UNKNOWN, "exact", "sound", "nickname", "part", "close", "similar", "differ"),
        "order": (UNKNOWN, "swapped"),
        "middle": (UNKNOWN, "same", "differ"),
        "suffix": (UNKNOWN, "same", "one", "differ"),
        "gender": (UNKNOWN, "same", "differ"),
        "birth": (UNKNOWN, "exact", "partial", "typo", "parts", "year", "differ", "far"),
        "company": (UNKNOWN, "exact", "close", "part", "similar", "differ"),
        "branch": (UNKNOWN, "same", "one", "differ"),
        "identity": (UNKNOWN, "exact", "close", "differ"),
        "email": (UNKNOWN, "exact", "local", "close", "differ"),
        "phone": (UNKNOWN, "exact", "close", "differ"),
        "street": (UNKNOWN, "exact", "unnumbered", "numbered", "road", "similar", "differ"),
        "unit": (UNKNOWN, "exact", "close", "differ"),
        "city": (UNKNOWN, "exact", "close", "differ"),
        "postcode": (UNKNOWN, "exact", "close", "differ"),
        "region": (UNKNOWN, "same", "differ"),
        "extra": (UNKNOWN, "same", "differ"),
    }
)
"""Every field that records are compared by, in order, and its levels; the number of a level is its place here."""

FIELDS: tuple[str, ...] = tuple(LEVELS)
PLACE: tuple[str, ...] = ("street", "unit", "city", "postcode", "region")
"""Fields that change together when somebody moves."""


class UnknownModel(ValueError):
    """No model of this name is shipped, or the file is not a model. Reject; the message says what there is."""


class Level(msgspec.Struct, frozen=True):
    """One possible outcome of a comparison. `same` and `apart` are per million, `weight` in thousandths of a bit.

    With `rare` the rarity of the agreed value is added, and `apart` is left out of the weight.
    """

    name: str
    weight: int
    same: int
    apart: int
    rare: bool = False


class Field(msgspec.Struct, frozen=True):
    """One field and its levels, without "unknown", which weighs nothing."""

    name: str
    levels: tuple[Level, ...]


class Limits(msgspec.Struct, frozen=True):
    """How far evidence goes that is not independent (limits.py), in thousandths of a bit, the prior included.

    `moved`: the least that all parts of an address together weigh, because people move (without the prior).
    `household`: the most that address, phone and family name reach. `twins`: with the birth date. `namesakes`: with
    the given name, father and son. `names`: the most that given and family name reach alone. `branches`: the most that
    a company's name, phone and e-mail reach where no address agrees.
    """

    moved: int = -3500
    household: int = -1000
    twins: int = 4800
    namesakes: int = 3700
    names: int = 1500
    branches: int = 6000


class Guards(msgspec.Struct, frozen=True):
    """What keeps two clusters apart whatever a pair of them weighs.

    `years`: birth dates further apart than this; `size`: records of one customer; `floor`: thousandths of a bit that
    the pairs between two clusters must weigh on average.
    """

    years: int = 12
    size: int = 250
    floor: int = -1000


class Caps(msgspec.Struct, frozen=True):
    """`block`: how many records one key may bring together.

    Of a whole file, per record: `pairs` that share a key, and of these `compared`, where the file is large.
    """

    block: int = 60
    pairs: int = 40
    compared: int = 3
    nearest: int = 5


class Model(msgspec.Struct, frozen=True, dict=True):
    """A model. `prior` is the weight of a pair before anything was compared, at `size` records.

    A pair whose weight reaches `merge` is one customer, from `review` on a person is asked.
    """

    name: str
    version: int
    size: int
    prior: int
    merge: int
    review: int
    fields: tuple[Field, ...]
    limits: Limits = Limits()
    guards: Guards = Guards()
    caps: Caps = Caps()
    frequencies: Frequencies = Frequencies()

    @cached_property
    def id(self) -> str:
        """Name, version and digest of the content: equal ids weigh equally."""
        return f"{self.name}.v{self.version}.{hashlib.sha256(to_json(self)).hexdigest()[:12]}"

    @cached_property
    def weights(self) -> tuple[tuple[int, ...], ...]:
        """weights[field][level] by the numbers of FIELDS and LEVELS; a field that the model lacks weighs nothing."""
        known = {field.name: {level.name: level.weight for level in field.levels} for field in self.fields}
        return tuple(tuple(known.get(name, {}).get(level, 0) for level in LEVELS[name]) for name in FIELDS)

    @cached_property
    def rare(self) -> tuple[tuple[bool, ...], ...]:
        """Where the rarity of the agreed value is added, numbered as `weights`."""
        known = {field.name: {level.name for level in field.levels if level.rare} for field in self.fields}
        return tuple(tuple(level in known.get(name, ()) for level in LEVELS[name]) for name in FIELDS)

    def fitted(self, size: int, frequencies: Frequencies) -> Model:
        """The model for a base of `size` records: the prior falls by one bit whenever the base doubles."""
        prior = self.prior + round(1000 * (log2(max(self.size, 2)) - log2(max(size, 2))))
        return msgspec.structs.replace(self, size=size, prior=prior, frequencies=frequencies)


def level(name: str, same: float, apart: float, *, rare: bool = False) -> Level:
    """A level with the weight that its shares give."""
    weight = log2(same) if rare else log2(same / apart)
    return Level(name, round(1000 * weight), round(1e6 * same), round(1e6 * apart), rare)


def to_json(model: Model) -> bytes:
    return msgspec.json.encode(model, order="deterministic")


def from_json(text: bytes) -> Model:
    """Raises UnknownModel (reject) for what is not a model, or has fields or levels that nothing compares."""
    try:
        model = msgspec.json.decode(text, type=Model)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnknownModel(f"this is not a matching model: {error}") from None
    for field in model.fields:
        unknown = {level.name for level in field.levels} - set(LEVELS.get(field.name, ()))
        if field.name not in LEVELS or unknown:
            raise UnknownModel(
                f"nothing compares field {field.name} with the levels {sorted(unknown)}; known: {FIELDS}"
            )
    return model


CAUTION = 400
"""So much more, in thousandths of a bit, a merge asks for where nobody has counted how common values are."""


def uncounted(model: Model) -> Model:
    """The model for customers who come one by one: as it is if a base was counted for it, else more cautious.

    A name that is not among the common ones may be common here all the same.
    """
    known = model.frequencies
    if known.records:
        return model
    cautious = msgspec.structs.replace(known, rest=typical())
    return msgspec.structs.replace(model, frequencies=cautious, merge=model.merge + CAUTION)


@cache
def shipped(name: str = "default") -> Model:
    """A model of this package. Raises UnknownModel (reject) for a name that there is not."""
    folder = files("services.identity.matching.models")
    there = sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))
    if name not in there:
        raise UnknownModel(f"no model {name!r} is shipped; there are {', '.join(there)}")
    return from_json((folder / f"{name}.json").read_bytes())
