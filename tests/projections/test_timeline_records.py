"""What the timeline keeps of every event is enough to make the event again."""

import msgspec
import pytest

from services.projections.views.timeline import TIMELINE, place_of, record_of
from services.projections.views.view import Document, WorkingSet
from shared.eventlog.mapper import open_record, parse
from shared.events.envelope import Contract, Recorded
from tests.contracts.examples import EXAMPLES
from tests.contracts.golden import CUSTOMER, KEYS, LOG_OF, stored
from tests.support.events import customer_registered

TOLD = [example for example in EXAMPLES if LOG_OF[type(example)] != "access"]
each_event = pytest.mark.parametrize("event", TOLD, ids=lambda event: event.stored_type())


def told(event: Contract, *, erased: bool = False) -> tuple[Recorded, Document]:
    """An event as a reader of the logs meets it, and its document."""
    known = open_record(parse(stored(event)), {} if erased else KEYS, 7)
    working = WorkingSet()
    TIMELINE.folds[known.type](working, known)
    (document,) = working.documents.values()
    return known, document


def again(document: Document) -> Recorded:
    return open_record(record_of(document), KEYS, place_of(document)[1])


@each_event
def test_every_event_is_made_again_from_its_document(event: Contract) -> None:
    known, document = told(event)
    assert msgspec.structs.asdict(again(document)) == msgspec.structs.asdict(known)


def test_fields_that_were_left_empty_are_empty_again() -> None:
    known, document = told(customer_registered("Ann Example"))
    assert again(document).data == known.data
    assert document["record"]["rest"] == {}


@each_event
def test_of_an_erased_subject_it_keeps_no_sealed_content_and_neither_after_a_purge(event: Contract) -> None:
    _, document = told(event)
    after, erased = told(event, erased=True)
    TIMELINE.purge(document, CUSTOMER)
    assert document == erased
    assert all(part["ct"] == part["nonce"] == "" for part in document["record"]["sealed"])
    assert again(document).data == after.data
