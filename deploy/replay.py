"""Replay: what the logs alone say, and whether the views agree with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.changes.shown import LABELS, disclosed_by
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import State
from deploy.envelope import envelope
from deploy.history import History
from services.projections.fold import Difference, compare, fold_all, fold_identity
from services.projections.views.customer import CUSTOMER
from services.projections.views.golden import golden as golden_record
from services.projections.views.membership import members_at
from services.projections.views.survivorship import DEFAULT, edition_of, in_force
from services.projections.views.values import held, opened_of
from services.projections.views.view import Document
from shared.as_of import AsOf
from shared.clock import SystemClock
from shared.eventlog.mapper import ERASED_JSON
from shared.events.envelope import Recorded, instant
from shared.mongo import connect

SHOWN = 20
_OPEN = frozenset({"kind", "number", "classification"})
"""Groups of golden fields that are neither sensitive nor core."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The whole log folded in memory, beside what MongoDB holds."""

    heads: Mapping[str, int]
    counts: Mapping[str, int]
    folded: Mapping[str, Mapping[str, Any]]
    differences: Sequence[Difference]

    @property
    def equal(self) -> bool:
        return not self.differences

    def lines(self) -> Iterator[str]:
        """What was compared: one line per view, then the documents that differ."""
        wrong = Counter(difference.view for difference in self.differences)
        for view, documents in self.folded.items():
            yield f"view {view}: {len(documents)} documents, {wrong[view] or 'none'} unlike the fold of the log"
        for difference in self.differences[:SHOWN]:
            yield f"  {difference.view} {difference.id}: {difference.how}"


async def check(history: History, state: State, database: str = "custlog") -> Checked:
    """Folds every log and compares every view, byte for byte. Run it when nothing is behind."""
    heads = history.heads()
    events = list(history.all_events(heads))
    folded = fold_all(events)
    mongo = connect(state.servers["mongo"].url)
    try:
        stored = await _stored(mongo.database(database))
    finally:
        await mongo.close()
    return Checked(heads, Counter(event.type for event in events), folded, compare(folded, stored))


async def _stored(database: Any) -> dict[str, list[Document]]:
    """View -> the documents of the collection that its alias names."""
    aliases = await database["aliases"].find({}).to_list(None)
    return {row["_id"]: await database[row["active"]].find({}).to_list(None) for row in aliases}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the golden record: its value, and which source said so, when and why it was chosen."""

    name: str
    value: Any
    source: str
    at: str
    why: str
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """One customer at an instant: who it is, what is known of it, and the events that made it."""

    identity: str
    number: str | None
    members: tuple[str, ...]
    golden: tuple[Field, ...]
    events: tuple[Recorded, ...]
    as_of: AsOf | None
    customers: tuple[str, ...] = ()
    policy: str = DEFAULT.label

    def as_json(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "number": self.number,
            "as_of": None if self.as_of is None else str(self.as_of),
            "members": self.members,
            "policy": self.policy,
            "golden": {field.name: {"value": field.value, "source": field.source, "at": field.at, "why": field.why}
                       for field in self.golden},
            "events": [event_json(event) for event in self.events],
        }  # fmt: skip

    def disclosed(self, *, events: bool) -> dict[str, set[str]]:
        """Of whom which sensitive fields are in the golden record, and with `events` in the events, in the clear."""
        found: dict[str, set[str]] = {}
        for field in self.golden:
            group = field.name.partition(":")[0]
            if group not in _OPEN and field.value not in (None, ERASED_JSON):
                found.setdefault(field.customer, set()).add(LABELS.get(group, group))
        for event in self.events if events else ():
            if told := disclosed_by(event):
                found.setdefault(event.customer, set()).update(told)
        return found


def life(history: History, customer: str, as_of: AsOf | None, *, whole: bool = False) -> Life:
    """A customer's identity from the logs alone; `whole` as of `History.together`.

    Raises EmbeddedError if it did not exist at that instant.
    """
    moves = history.together(customer, as_of, whole=whole)
    members = sorted(members_at(moves, customer))
    events = history.of_customers(members, as_of)
    if not events:
        raise EmbeddedError(f"Customer {customer} was not known as of {as_of}; choose a later instant.")
    documents = fold_identity(events, moves, members, [CUSTOMER])["customer"]
    document = next(doc for doc in documents.values() if any(m["customer"] == customer for m in doc["members"]))
    editions = [edition_of(event) for event in history.policies(as_of)]
    edition = in_force(editions, instant(SystemClock().now()) if as_of is None else as_of.instant)
    opened = opened_of(events)
    source_of = {m["customer"]: f"{m['source']}:{m['external_id']}" for m in document["members"]}
    golden = tuple(
        Field(
            name,
            entry["value"] if "value" in entry else held(opened, entry["event"], name, entry.get("contact", "")),
            source_of[entry["member"]],
            entry["at"],
            entry["why"],
            entry["member"],
        )
        for name, entry in sorted(golden_record(document["members"], opened, edition.policy).items())
    )
    number = next((field.value for field in golden if field.name == "number"), None)
    return Life(
        document["_id"],
        number,
        tuple(sorted(source_of.values())),
        golden,
        tuple(events),
        as_of,
        tuple(sorted(members)),
        edition.label,
    )


def event_json(event: Recorded) -> dict[str, Any]:
    """The event with its envelope, as JSON values."""
    return {**envelope(event), "data": event.data.model_dump(mode="json", exclude_none=True)}
