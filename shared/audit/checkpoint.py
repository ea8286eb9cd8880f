"""A checkpoint: what a log vouches for at one size (c2sp.org/tlog-checkpoint), as the text of a signed note.

Its lines are the log's origin, the tree's size and root hash, and as extension line the root of the map of heads.
"""

import re
from dataclasses import dataclass
from typing import Self

from shared.audit import exact_base64
from shared.audit.merkle import HASH_BYTES
from shared.audit.note import is_name

_HASH = "([A-Za-z0-9+/]{43}=)"
_TEXT = re.compile(rf"([^\n]+)\n(0|[1-9][0-9]{{0,18}})\n{_HASH}\nheads {_HASH}\n")


class BadCheckpoint(ValueError):
    """A text is no checkpoint of ours, signed or not. Fate: refused."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` ("custlog/<installation>/<log>") has `size` records, with these roots of its tree and map."""

    origin: str
    size: int
    root: bytes
    heads: bytes

    def __post_init__(self) -> None:
        """Raises BadCheckpoint, so that the text of each checkpoint parses to it."""
        # The origin is also the name of the log's key.
        if not is_name(self.origin):
            raise BadCheckpoint(
                "the origin of a log must not be empty, and hold no space, no control character and no +"
            )
        if not 0 <= self.size < 2**63:
            raise BadCheckpoint(f"the size of a log must be 0 to 2^63 - 1, not {self.size}")
        if not len(self.root) == len(self.heads) == HASH_BYTES:
            raise BadCheckpoint(f"the roots in a checkpoint must have {HASH_BYTES} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint in the text of a note. Raises BadCheckpoint (refuse) unless it is what `text` gives."""
        found = _TEXT.fullmatch(text)
        if not found:
            raise BadCheckpoint("a checkpoint must be four lines: origin, size, root, and heads with the map's root")
        origin, size, root, heads = found.groups()
        try:
            return cls(origin, int(size), exact_base64.decode(root), exact_base64.decode(heads))
        except BadCheckpoint:
            raise
        except ValueError:
            raise BadCheckpoint("the roots in a checkpoint must be exact base64") from None

    @property
    def text(self) -> str:
        """The text to be signed."""
        root, heads = exact_base64.encode(self.root), exact_base64.encode(self.heads)
        return f"{self.origin}\n{self.size}\n{root}\nheads {heads}\n"
