"""What happens to a ticket and to an interaction, given what happened before."""

import pytest
from pydantic import ValidationError

from services.customer.domain import interaction
from services.customer.domain.interaction import RecordInteraction
from services.customer.domain.ticket import AnswerTicket, OpenTicket, ReopenTicket, ResolveTicket, decider
from shared.errors import Conflict, NotFound
from shared.events import customer as events
from shared.events.envelope import ERASED
from tests.customer.examples import ID
from tests.support.given import given

DECIDER = decider(ID)
OPENED = events.TicketOpened(ticket_id=ID, topic="bill", summary=ERASED)
RESOLVED = events.TicketResolved(ticket_id=ID, resolution="paid")
ANSWER = AnswerTicket(text="Dear customer,\n\tyes.")
RESOLVE = ResolveTicket(resolution="paid")
REOPEN = ReopenTicket(reason="again")


def test_a_ticket_is_opened_once() -> None:
    opening = OpenTicket(topic="bill", summary="too high")
    given(DECIDER).when(opening).then(events.TicketOpened(ticket_id=ID, topic="bill", summary="too high"))
    given(DECIDER, OPENED).when(opening).refused(Conflict)


def test_an_open_ticket_is_answered_and_resolved() -> None:
    given(DECIDER, OPENED).when(ANSWER).then(events.TicketAnswered(ticket_id=ID, text="Dear customer,\n\tyes."))
    given(DECIDER, OPENED).when(RESOLVE).then(RESOLVED)


def test_a_resolved_ticket_is_reopened_before_anything_else() -> None:
    given(DECIDER, OPENED, RESOLVED).when(ANSWER).refused(Conflict)
    given(DECIDER, OPENED, RESOLVED).when(RESOLVE).refused(Conflict)
    given(DECIDER, OPENED, RESOLVED).when(REOPEN).then(events.TicketReopened(ticket_id=ID, reason="again"))
    given(DECIDER, OPENED).when(REOPEN).refused(Conflict)
    given(DECIDER, OPENED, RESOLVED, events.TicketReopened(ticket_id=ID, reason="x")).when(RESOLVE).then(RESOLVED)


def test_a_ticket_that_was_not_opened_is_not_there() -> None:
    given(DECIDER).when(ANSWER).refused(NotFound)


@pytest.mark.parametrize("text", ["", "a\0b", "\u202ea", "x" * 10_001])
def test_an_answer_is_a_text_without_invisible_characters(text: str) -> None:
    with pytest.raises(ValidationError):
        AnswerTicket(text=text)


def test_an_interaction_is_recorded_once() -> None:
    record = RecordInteraction(kind="call", direction="in", summary="asked\nmuch", outcome="sold")
    recorded = events.InteractionRecorded(
        interaction_id=ID, kind="call", direction="in", summary="asked\nmuch", outcome="sold"
    )
    given(interaction.decider(ID)).when(record).then(recorded)
    given(interaction.decider(ID), recorded).when(record).refused(Conflict)
