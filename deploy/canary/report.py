"""What a scan found: by place, without the values themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was searched.

    kind     postgres, mongo, kafka, http or files
    bytes    how much was read
    found    field -> how many parts (rows, records, documents, files) hold a value of it in the clear
    where    the first of these parts
    control  whether the customer's id was found there, as it has to be in the logs: the scan does see
    residue  whether it is the files of a server whose every document was searched too: what only the files hold was
             deleted, and stands in freed blocks or journals until they are written over
    """

    kind: str
    name: str
    bytes: int
    found: Mapping[str, int] = field(default_factory=dict)
    where: Sequence[str] = ()
    control: bool = False
    trouble: str = ""
    residue: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """One scan. `values` texts were searched for; `left_out` says why others were not."""

    at: str
    seconds: float
    values: int
    left_out: Mapping[str, int]
    places: Sequence[Place]

    @property
    def dirty(self) -> list[Place]:
        """Where something was found that is not only left over."""
        return [place for place in self.places if place.found and not place.residue]

    @property
    def residue(self) -> list[Place]:
        """Where only freed blocks of a server's files hold something."""
        return [place for place in self.places if place.found and place.residue]

    @property
    def unread(self) -> list[Place]:
        """What could not be searched wholly."""
        return [place for place in self.places if place.trouble]

    @property
    def blind(self) -> list[str]:
        """Kinds of places in which not even the customer's id was found, which stays there."""
        return sorted(KINDS_WITH_ID - {place.kind for place in self.places if place.control})

    @property
    def clean(self) -> bool:
        """Nothing was found but residue, everything was read, and the scan saw what it had to see."""
        return self.values > 0 and not (self.dirty or self.unread or self.blind)

    def as_json(self) -> dict[str, Any]:
        """The report without empty places."""
        return {
            "at": self.at,
            "seconds": self.seconds,
            "clean": self.clean,
            "values": self.values,
            "left_out": dict(self.left_out),
            "bytes": sum(place.bytes for place in self.places),
            "blind": self.blind,
            "residue": [place.name for place in self.residue],
            "places": [
                {
                    "kind": place.kind,
                    "name": place.name,
                    "bytes": place.bytes,
                    "found": dict(place.found),
                    "where": list(place.where),
                    "control": place.control,
                    **({"trouble": place.trouble} if place.trouble else {}),
                }
                for place in self.places
                if place.bytes or place.found or place.trouble
            ],
        }


KINDS_WITH_ID = frozenset({"postgres", "kafka", "mongo"})
