"""What any sequence of a customer's events leaves planned. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from services.notifications.rules.planning import react
from services.notifications.rules.timer import Book, Change
from shared.events.customer import BirthDateSet, CustomerArchived, CustomerErased, CustomerRestored
from shared.events.envelope import ERASED, Contract
from tests.support.events import an_id, customer_registered, recorded

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
CUSTOMER = an_id("customer")

dates = st.dates(date(1900, 1, 1), date(2020, 12, 31))
changes = st.one_of(
    st.builds(BirthDateSet, birth_date=st.none() | dates | st.just(ERASED)),
    st.just(CustomerArchived(reason="x")),
    st.just(CustomerRestored(reason="x")),
)


def tell(book: Book, *events: Contract) -> list[Change]:
    told: list[Change] = []
    for place, event in enumerate(events, start=1):
        told += react(book, "Europe/Berlin", recorded(event, CUSTOMER, position=place, seq=place))
    return told


@given(dates, st.lists(changes, max_size=12))
@example(
    date(2000, 1, 1),
    [BirthDateSet(birth_date=date(2000, 12, 1)), CustomerArchived(reason="x"), CustomerRestored(reason="x")],
)
def test_one_reminder_is_planned_unless_the_customer_is_archived_or_the_date_is_gone(
    birth_date: date, later: list[Contract]
) -> None:
    book = Book([], NOW)
    known: date | None = birth_date
    archived = False
    allowed = []
    for event in later:
        if isinstance(event, BirthDateSet) and archived:
            continue  # the customer service refuses changes of an archived customer
        allowed.append(event)
        match event:
            case BirthDateSet(birth_date=date() | None as said):
                known = said
            case CustomerArchived():
                archived = True
            case CustomerRestored():
                archived = False
            case _:
                pass

    tell(book, customer_registered(birth_date=birth_date), *allowed)

    planned = book.planned(CUSTOMER)
    assert len(planned) == (known is not None and not archived)
    for timer in planned:
        assert known is not None
        assert timer.birthday == (known.month, known.day)
        assert timer.local_date >= NOW.date()


@given(dates, st.lists(changes, max_size=12))
def test_the_streams_have_no_gaps(birth_date: date, later: list[Contract]) -> None:
    versions: dict[str, int] = {}

    for change in tell(Book([], NOW), customer_registered(birth_date=birth_date), *later):
        assert change.expected == versions.get(change.stream, 0)
        versions[change.stream] = change.timer.seq
        assert change.timer.seq == change.expected + len(change.events)


@given(dates)
def test_a_birth_date_said_twice_changes_nothing(birth_date: date) -> None:
    book = Book([], NOW)
    tell(book, customer_registered(birth_date=birth_date))

    assert tell(book, BirthDateSet(birth_date=birth_date)) == []


def test_a_birthday_today_is_planned_for_today() -> None:
    (change,) = tell(Book([], NOW), customer_registered(birth_date=date(1990, 11, 22)))

    assert change.timer.local_date == date(2026, 11, 22)
    assert change.timer.due_at < NOW


def test_a_birth_date_changed_while_archived_counts_after_the_restoration() -> None:
    book = Book([], NOW)
    tell(book, customer_registered(birth_date=date(1990, 3, 1)), CustomerArchived(reason="x"))

    assert tell(book, BirthDateSet(birth_date=date(1990, 5, 2))) == []
    (change,) = tell(book, CustomerRestored(reason="x"))
    assert change.timer.local_date == date(2027, 5, 2)


def test_of_an_erased_customer_nothing_stays_planned() -> None:
    book = Book([], NOW)
    (planned,) = tell(book, customer_registered(birth_date=date(1990, 3, 1)))

    (change,) = tell(book, CustomerErased())

    assert change.timer.reminder_id == planned.timer.reminder_id
    assert [event.TYPE for event in change.events] == ["reminder.cancelled"]
    assert book.planned(CUSTOMER) == []
