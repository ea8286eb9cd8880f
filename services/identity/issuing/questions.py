"""What a number means, now or as of an earlier instant, and what somebody may have meant by one that means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.identity import number_store, store
from services.identity.allocation import key_of
from services.identity.issuing.desk import numbering_events
from services.identity.numbering.held import Held, held
from services.identity.numbering.rule import canonical
from services.identity.numbering.rule import read as read_default
from services.identity.numbering.rulebook import DEFAULT_RULE, RuleBook
from services.identity.numbering.scheme import Parsed
from services.identity.numbering.suggest import candidates
from services.identity.streams import customer_of, number_key, stream_of
from shared.as_of import check_passed
from shared.clock import Clock, SystemClock
from shared.eventlog.log import Log, Transaction
from shared.eventlog.mapper import parse
from shared.eventlog.recorder import reservation_holders, stored_states
from shared.events.envelope import instant

State = Literal["primary", "alias", "leased", "held_back", "void", "free", "unknown"]
MOST = 10
"""So many suggestions are answered, and so many forms of numbers told."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is known of a number as somebody typed it; `reason` says why it leads to nobody.

    `current` is the number that is shown for the customer's identity, today or at the instant that was asked for:
    another one if this is an alias of it.
    """

    number: str
    well_formed: bool
    check_ok: bool
    known: bool
    customer: str | None
    reason: str | None
    state: State
    rule: str | None = None
    scope: str | None = None
    serial: int | None = None
    identity: str | None = None
    current: str | None = None
    suggestions: tuple[str, ...] = ()


class Questions:
    """Every call raises Unavailable (retry)."""

    def __init__(self, log: Log, clock: Clock | None = None) -> None:
        self._log = log
        self._clock = clock or SystemClock()

    async def number(self, text: str, as_of: datetime | None = None, *, suggest: bool = False) -> Meaning:
        """What a number or alias means, or meant at an instant. Never fails for what was typed.

        Raises Invalid for an instant that has not passed.
        """
        now = self._clock.now()
        if as_of is not None:
            check_passed(as_of, now)

        def work() -> Meaning:
            with self._log.transaction() as tx:
                return _meaning(tx, text, as_of, now, suggest=suggest)

        return await self._log.in_thread(work)


def _meaning(tx: Transaction, text: str, as_of: datetime | None, now: datetime, *, suggest: bool) -> Meaning:
    book = number_store.rule_book(tx.cursor)
    typed = canonical(text)
    parsed = book.read(typed)
    keys = [number_key(text), number_key(typed)]
    owners = reservation_holders(tx.cursor, keys)
    owner = next((owners[key] for key in keys if key in owners), None)
    found = None if owner is None else _numbers_of(tx, book, [owner], as_of).get(owner)
    name = None if found is None else _spelled(found, text, typed)
    if owner is None or found is None or name is None:
        nobody = f"nobody had this number at {instant(as_of)}" if owner is not None and as_of is not None else None
        return _unknown(tx, book, text, parsed, nobody or _wrong(text, parsed, book, now), suggest=suggest)
    customer = customer_of(owner)
    identity, current = _current(tx, book, customer, as_of)
    primary = found.primary is not None and found.primary.number == name
    return Meaning(
        number=name,
        well_formed=parsed is not None,
        check_ok=parsed is not None and parsed.check_ok,
        known=True,
        customer=customer,
        reason=None,
        state="primary" if primary and current == name else "alias",
        rule=parsed.rule if parsed else None,
        scope=parsed.scope if parsed else None,
        serial=parsed.serial if parsed else None,
        identity=identity,
        current=current,
    )


def _spelled(found: Held, text: str, typed: str) -> str | None:
    """The name as it is kept; None if it was not given then."""
    return next((name for name in found.names if name == text or canonical(name) == typed), None)


def _numbers_of(tx: Transaction, book: RuleBook, streams: Sequence[str], as_of: datetime | None) -> dict[str, Held]:
    return {
        stream: held(numbering_events(_until(states, as_of)), book)
        for stream, states in stored_states(tx.cursor, streams).items()
    }


def _until(states: Sequence[bytes], as_of: datetime | None) -> Sequence[bytes]:
    latest = None if as_of is None else instant(as_of)
    return states if latest is None else [state for state in states if parse(state).recorded_at <= latest]


def _current(tx: Transaction, book: RuleBook, customer: str, as_of: datetime | None) -> tuple[str, str | None]:
    """The customer's identity and the number that is shown for it: that of its oldest member."""
    if as_of is None:
        identity = store.identities(tx.cursor, (customer,)).identity(customer)
    else:
        identity = _identity(customer, _until(store.moved(tx.cursor, customer), as_of))
    stream = stream_of(identity)
    found = _numbers_of(tx, book, [stream], as_of).get(stream)
    return identity, found.primary.number if found and found.primary else None


def _identity(customer: str, moved: Sequence[bytes]) -> str:
    """Where a customer belongs after these links and separations: it begins by itself, and the last move holds."""
    # Ids alone are asked for, and nothing of them is sealed; they stand alike in all versions of these events.
    moves = [move for state in moved for move in parse(state).data["moves"] if move["customer"] == customer]
    return str(moves[-1]["identity"]) if moves else customer


def _unknown(
    tx: Transaction, book: RuleBook, text: str, parsed: Parsed | None, reason: str | None, *, suggest: bool
) -> Meaning:
    typed = canonical(text)
    state = "unknown" if parsed is None or not parsed.check_ok else _state(tx, book, parsed)
    return Meaning(
        number=typed if parsed is not None else text,
        well_formed=parsed is not None,
        check_ok=parsed is not None and parsed.check_ok,
        known=False,
        customer=None,
        reason=reason or _reason(state),
        state=state,
        rule=parsed.rule if parsed else None,
        scope=parsed.scope if parsed else None,
        serial=parsed.serial if parsed else None,
        suggestions=tuple(_suggestions(tx, book, text)) if suggest else (),
    )


def _wrong(text: str, parsed: Parsed | None, book: RuleBook, now: datetime) -> str | None:
    """What is wrong with how a text looks; None if it may be a number."""
    if parsed is not None:
        return None if parsed.check_ok else "the check does not fit: a character is wrong or two are swapped"
    if all(numbering.rule == DEFAULT_RULE for numbering in book.every()):
        return read_default(text).reason or "no numbering rule has this form"
    looks = [numbering.looks for numbering in book.in_force(now).rules]
    forms = ", ".join([*looks[:MOST], *(["others"] if len(looks) > MOST else [])])
    return f"no numbering rule has this form; numbers look like {forms} (# is a digit, ? a letter or digit)"


def _reason(state: State) -> str:
    match state:
        case "leased":
            return "this number is leased and was not given to a customer yet"
        case "held_back":
            return "its rule holds this number back; it is given out by hand alone"
        case "void":
            return "this number was passed over and is given to nobody"
        case _:
            return "this number was never given out"


def _state(tx: Transaction, book: RuleBook, parsed: Parsed) -> State:
    numbering = book.rule(parsed.rule)
    if numbering is None or numbering.rule.use == "import":
        return "unknown"
    if any(e.first <= parsed.serial <= e.last for e in number_store.open_leases(tx.cursor, parsed.scope)):
        return "leased"
    if not numbering.gives_out(parsed.shown, parsed.serial):
        return "held_back"
    passed = number_store.counters(tx.cursor, [parsed.scope]).get(parsed.scope, numbering.rule.start)
    return "void" if parsed.serial < passed else "free"


def _suggestions(tx: Transaction, book: RuleBook, text: str) -> list[str]:
    near = candidates(text, book)
    owners = reservation_holders(tx.cursor, [key_of(number) for number in near])
    known = [number for number in near if key_of(number) in owners]
    return known[:MOST]
