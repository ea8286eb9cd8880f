"""The one way in which events become documents: live, in a rebuild and in the check alike."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import bson
import orjson

from services.projections.views import VIEWS
from services.projections.views.membership import MOVES, moves_of, only_moves_of
from services.projections.views.view import Document, View, WorkingSet
from shared.events.envelope import Recorded


class FoldFailed(Exception):
    """A view could not take an event. Fate: the event is parked and the batch folded again without it."""

    def __init__(self, view: str, index: int, event: Recorded, error: Exception) -> None:
        super().__init__(f"view {view} cannot fold {event.type} {event.id}: {type(error).__name__}")
        self.view = view
        self.position = event.position
        self.index = index
        """Which of the events of the batch it is."""


MAX_DOCUMENT = 16 * 1024 * 1024
"""Bytes of one document in MongoDB."""


class Outgrown(Exception):
    """A document would be larger than MongoDB takes. Fate: that of any event that cannot be folded."""


def size_of(document: Document) -> int:
    """The bytes of a document as MongoDB stores it."""
    return len(bson.encode(document))


def fold_view(view: View, events: Sequence[Recorded], working: WorkingSet, heavy: Collection[str] = ()) -> None:
    """Apply a batch to the loaded documents of one view. After FoldFailed the working set is of no use any more.

    heavy  ids of documents to weigh after each event, because the whole batch makes them too large
    """
    folds = view.folds
    for index, event in enumerate(events):
        fold = folds.get(event.type)
        if fold is None:
            continue
        try:
            fold(working, event)
            _weigh(working, heavy)
        except Exception as error:
            raise FoldFailed(view.name, index, event, error) from error
    for key in working.changed:
        view.finish(working.documents[key])


def _weigh(working: WorkingSet, heavy: Collection[str]) -> None:
    for key in working.changed.intersection(heavy):
        if size_of(working.documents[key]) > MAX_DOCUMENT:
            raise Outgrown


def fold_batch(views: Iterable[View], events: Sequence[Recorded], working_sets: Mapping[str, WorkingSet]) -> None:
    """Apply a batch to the working set of each view."""
    for view in views:
        fold_view(view, events, working_sets[view.name])


def fold_all(
    events: Iterable[Recorded], views: Collection[View] = tuple(VIEWS.values())
) -> dict[str, dict[str, Document]]:
    """View -> id -> document, after all events of all logs.

    The logs may be interleaved in any way, as long as the events of one customer in one log keep their order.
    """
    working_sets = {view.name: WorkingSet() for view in views}
    fold_batch(views, list(events), working_sets)
    return {name: working.documents for name, working in working_sets.items()}


def fold_identity(
    events: Iterable[Recorded], moving: Iterable[Recorded], members: Collection[str], views: Collection[View]
) -> dict[str, dict[str, Document]]:
    """As `fold_all`, of one identity alone: its members' own events, and what moved them among the linked and separated
    events of everybody."""
    own = [event for event in events if event.type not in MOVES and event.customer in members]
    moved = [
        only_moves_of(event, members)
        for event in moving
        if any(change.customer in members for change in moves_of(event))
    ]
    return fold_all([*own, *moved], views)


@dataclass(frozen=True, slots=True)
class Difference:
    """A document of a view that is not as the fold says. Ids carry no personal data; contents are not told."""

    view: str
    id: str
    how: str
    """missing: only the fold has it; extra: only the store has it; different: both have it, with other contents."""


def compare(folded: Mapping[str, Mapping[str, Document]], stored: Mapping[str, Iterable[Document]]) -> list[Difference]:
    """Every difference between the fold of all events and the views as stored, by canonical JSON, byte for byte."""
    differences: list[Difference] = []
    for view, expected in folded.items():
        found = {document["_id"]: document for document in stored.get(view, ())}
        for key in expected.keys() | found.keys():
            if key not in found:
                differences.append(Difference(view, key, "missing"))
            elif key not in expected:
                differences.append(Difference(view, key, "extra"))
            elif canonical(expected[key]) != canonical(found[key]):
                differences.append(Difference(view, key, "different"))
    return sorted(differences, key=lambda difference: (difference.view, difference.id))


def canonical(document: Document) -> bytes:
    """The one text of a document: keys sorted, no white space."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
