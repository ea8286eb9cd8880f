"""What a view is: which events it folds into which documents, their indexes, and what they hold of sealed fields.

Documents hold only str, int, bool, None, list and dict, so that two documents are equal exactly if their canonical
JSON is equal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from shared.events import identity
from shared.events.catalogue import LOGS
from shared.events.envelope import Recorded

Document: TypeAlias = dict[str, Any]
Filter: TypeAlias = dict[str, Any]
Decision: TypeAlias = Literal["open", "sealed", "absent"]
Index: TypeAlias = tuple[tuple[str, int], ...]

ACCESS = frozenset(contract.TYPE for contract in LOGS["access"])
"""Who looked at what: no view tells it yet."""
NUMBERING = frozenset(contract.TYPE for contract in LOGS["identity"] if contract.TYPE.startswith("numbering."))
"""How numbers are made: about no customer."""
STEWARDSHIP = frozenset(
    contract.TYPE
    for contract in (
        identity.Asserted,
        identity.AssertionEnded,
        identity.ReviewOpened,
        identity.ReviewClosed,
        identity.ApprovalRequested,
        identity.ApprovalDecided,
    )
)
"""What people say of who is who, and are asked: what follows of it is told by links and separations."""


class WorkingSet:
    """The documents of one view that a batch of events touches, changed in place.

    It has to be filled by `load` with every stored document that `View.wanted` names, before the first fold.
    """

    __slots__ = ("changed", "deleted", "documents", "homes", "stored")

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.stored: set[str] = set()
        self.changed: set[str] = set()
        self.deleted: set[str] = set()
        self.homes: dict[str, tuple[Document, Document]] = {}
        """Customer -> the document it is a member of, and that member; only in views with members."""

    def load(self, documents: Iterable[Document]) -> None:
        """Take over stored documents; they belong to this set from now on."""
        for document in documents:
            key = document["_id"]
            self.documents[key] = document
            self.stored.add(key)
            for member in document.get("members", ()):
                self.homes[member["customer"]] = (document, member)

    def get(self, key: str) -> Document | None:
        """The document, about to be read only."""
        return self.documents.get(key)

    def put(self, document: Document) -> None:
        """Set a new or changed document."""
        key = document["_id"]
        self.documents[key] = document
        self.changed.add(key)
        self.deleted.discard(key)

    def delete(self, key: str) -> None:
        """Remove a document that has nothing left to say."""
        del self.documents[key]
        self.changed.discard(key)
        self.deleted.add(key)

    def changes(self) -> "Changes":
        """What has to be written so that the store holds this set."""
        return Changes(
            inserts=[self.documents[key] for key in self.changed if key not in self.stored],
            replacements=[self.documents[key] for key in self.changed if key in self.stored],
            deletions=[key for key in self.deleted if key in self.stored],
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """New documents, documents to replace, ids to delete. No id is in two of them."""

    inserts: list[Document]
    replacements: list[Document]
    deletions: list[str]


Fold: TypeAlias = Callable[[WorkingSet, Recorded], None]


def _leave(document: Document) -> None:
    """Nothing is derived from the rest of the document."""


@dataclass(frozen=True, slots=True)
class View:
    """One read model.

    name, version   a change of a document's shape, a fold or an index is a new version, built beside the old one
    folds           type -> function that applies one event to the working set
    ignored         the types that say nothing to this view; every catalogue type is in `folds` or here
    wanted          the events of a batch -> filter of the documents they touch; None if they only add new ones
    levels          "<type>.<field>" of every sealed field it gets to see -> what its documents hold of it
    indexes         index keys besides _id
    partial         the same, of some documents only: index keys -> filter of these documents
    of_subject      filter of the documents that hold something of a subject
    purge           the document as if the subject's key had been destroyed before the first event; in place
    finish          what is derived from the rest of a document, computed once per batch and changed document; in place
    """

    name: str
    version: int
    folds: Mapping[str, Fold]
    wanted: Callable[[Sequence[Recorded]], Filter | None]
    levels: Mapping[str, Decision]
    indexes: tuple[Index, ...]
    of_subject: Callable[[str], Filter]
    purge: Callable[[Document, str], None]
    ignored: frozenset[str] = field(default=frozenset())
    partial: Mapping[Index, Filter] = field(default_factory=dict)
    finish: Callable[[Document], None] = _leave

    @property
    def prefix(self) -> str:
        """How the names of its collections begin."""
        return f"{self.name}__v{self.version}_"
