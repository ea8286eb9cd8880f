"""What a monitor has to tell: that something is not what was signed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "altered", "rolled_back", "restored", "split", "witness", "forged", "unlike_log", "missing", "view", "still"
]


@dataclass(frozen=True, slots=True)
class Place:
    """A record of a topic, or the first of several."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that no honest system does. No field holds personal data.

    altered      the log, its tree or its signatures are not what the checkpoints promise
    rolled_back  somebody was shown a longer history of the log than it has now
    restored     the same, and the log goes on under another origin: an older backup was put back
    split        somebody was shown another history of the log
    witness      a witness shows a checkpoint that it, or the log, has not signed
    forged       no relay published a record that is in the topic
    unlike_log   a record of the topic is not the one that the log has at its position
    missing      the topic lacks records that were published
    still        records wait for a signature: who writes the log has stopped signing it
    view         a view holds other documents than the fold of the log; `log` is then the name of the view

    `first` and `last` are positions in the log, 0 where there is none to name. `by` tells what it was compared with,
    `evidence` are the signed notes that show it to others.
    """

    kind: Kind
    log: str
    sentence: str
    first: int = 0
    last: int = 0
    by: str = ""
    place: Place | None = None
    evidence: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[object, ...]:
        """The same for what is found round after round, though more of the log may be touched by then."""
        return self.kind, self.log, self.by, self.place

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
