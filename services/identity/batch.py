"""From customer events to numbers, links and questions: one batch, one set of reads, one append, one set of writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.identity import decision_store, records, store
from services.identity.allocation import Allocation, key_of
from services.identity.decision_store import Told
from services.identity.domain.clustering import Guard
from services.identity.domain.deciding import decide
from services.identity.domain.identities import Identities
from services.identity.matching import features as matching
from services.identity.matching.customer import NOTHING as UNCOMPARABLE
from services.identity.matching.customer import normal_of
from services.identity.matching.features import NOTHING, Features
from services.identity.matching.fingerprint import Evidence
from services.identity.matching.judging import Judge
from services.identity.matching.lookup import Token, Tokens
from services.identity.matching.record import Normal
from services.identity.matching.sharing import brought
from services.identity.numbering.facts import facts_of
from services.identity.numbering.rule import ACTOR as NUMBERING_RULES
from services.identity.records import open_profile, sealed_profile
from services.identity.streams import stream_of
from shared.consumer import Unappliable
from shared.errors import CustlogError
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Transaction
from shared.events.customer import CustomerErased
from shared.events.envelope import Actor, Cause, Contract, Recorded, moment
from shared.events.identity import Linked, ReviewOpened
from shared.ids import derive
from shared.privacy.sealing import DataKey
from shared.subscription import Stop

NUMBERING = Actor(id=NUMBERING_RULES, kind="rule")


@dataclass(slots=True)
class Outcome:
    """What a batch led to, for metrics."""

    numbers: int = 0
    links: int = 0
    reviews: int = 0
    common: int = 0


@dataclass(slots=True)
class _Draft:
    """A customer of the batch while it changes."""

    version: int
    is_new: bool
    features: Features
    stored: Evidence
    normal: Normal
    evidence: Evidence
    tokens: frozenset[Token] = frozenset()


@dataclass(frozen=True, slots=True)
class _Change:
    """What one event changes: the record of its customer after it, with its keys, and the keys it has no more."""

    event: Recorded
    normal: Normal
    evidence: Evidence
    removed: Collection[bytes]
    is_new: bool


class Matching:
    """Applies customer events: numbers every new customer, and brings its identity to what the model finds."""

    def __init__(
        self,
        fingerprints: Callable[[Normal], Evidence],
        judge: Judge,
        tokens: Tokens = lambda _: frozenset(),
    ) -> None:
        self._fingerprints = fingerprints
        self._judge = judge
        self._tokens = tokens

    def apply(self, tx: Transaction, events: Sequence[Recorded], keys: Mapping[str, DataKey]) -> Outcome:
        """Takes a batch as `match`, and then away what it holds of customers who are erased in it."""
        outcome = self.match(tx, events, keys)
        # Nothing personal of a customer comes behind the erasure, so the end of the batch is late enough.
        for event in events:
            if isinstance(event.data, CustomerErased):
                store.purge(tx.cursor, event.customer)
        return outcome

    def match(self, tx: Transaction, events: Sequence[Recorded], keys: Mapping[str, DataKey]) -> Outcome:
        """Takes a batch inside a transaction that holds the log's lock. `keys` has those of all its customers.

        Any split of the same events into batches gives the same identities. Raises Unappliable before anything is
        written, Stop if the log refuses what was decided under its lock, or Unavailable.
        """
        telling = [event for event in events if type(event.data) in matching.CHANGES]
        # In the order of the customer log, not of its partitions: numbers follow registrations.
        telling.sort(key=lambda event: event.position or 0)
        outcome = Outcome()
        if not telling:
            return outcome
        drafts = self._drafts(tx, telling, keys)
        before = {customer: draft.normal for customer, draft in drafts.items() if not draft.is_new}
        changes = [self._change(drafts[event.customer], event) for event in telling]
        given_up = Counter(key for change in changes for key in change.removed)
        keys_asked = {key for change in changes for key in change.evidence}
        index = store.holders(tx.cursor, keys_asked, spare=max(given_up.values(), default=0))
        met = [_met(change, index, outcome) for change in changes]
        asked = store.asked_with(tx.cursor, before)
        state = store.identities(tx.cursor, before.keys() | asked.union(*met), with_links=True)
        normals = before | records.read(tx, state.identity_of.keys() - drafts.keys())
        guard, numbers = self._judge.guard(normals), Allocation(tx.cursor)
        decision = _Decision(self._judge, state, normals, numbers, outcome, guard)
        for change, others in zip(changes, met, strict=True):
            decision.take(change, drafts[change.event.customer], others)
        numbers.save()
        told = _append(tx, decision.commits)
        _write(tx, drafts, keys)
        self._write_tokens(tx, drafts)
        store.put_members(tx.cursor, {customer: customer for customer in decision.admitted})
        decision_store.write(tx.cursor, decision_store.changes_of(told))
        return outcome

    def _drafts(self, tx: Transaction, events: Sequence[Recorded], keys: Mapping[str, DataKey]) -> dict[str, _Draft]:
        customers = list(dict.fromkeys(event.customer for event in events))
        known = store.profiles(tx.cursor, customers)
        # What the table has, not what would be made of them now: an earlier build may have made other keys.
        stored = store.evidence_of(tx.cursor, known)
        drafts = {}
        for customer in customers:
            profile = known.get(customer)
            if profile is None:
                drafts[customer] = _Draft(0, True, NOTHING, {}, UNCOMPARABLE, {})  # noqa: FBT003
            else:
                features = open_profile(profile, keys)
                has = stored.get(customer, {})
                tokens = self._tokens(features)
                normal = normal_of(features)
                drafts[customer] = _Draft(profile.version, False, features, has, normal, has, tokens)  # noqa: FBT003
        return drafts

    def _write_tokens(self, tx: Transaction, drafts: Mapping[str, _Draft]) -> None:
        now = {customer: self._tokens(draft.features) for customer, draft in drafts.items()}
        gone = [(token, customer) for customer, draft in drafts.items() for token in draft.tokens - now[customer]]
        new = [(token, customer) for customer, draft in drafts.items() for token in now[customer] - draft.tokens]
        store.drop_tokens(tx.cursor, sorted(gone))
        store.put_tokens(tx.cursor, sorted(new))

    def _change(self, draft: _Draft, event: Recorded) -> _Change:
        try:
            features = matching.evolve(draft.features, event.data)
            normal = normal_of(features)
            evidence = self._fingerprints(normal)
        except Exception as error:
            raise Unappliable(event, f"{event.type} cannot be applied: {type(error).__name__}") from error
        before = draft.evidence
        draft.features, draft.normal, draft.evidence = features, normal, evidence
        return _Change(event, normal, evidence, before.keys() - evidence.keys(), draft.is_new)


@dataclass(slots=True)
class _Decision:
    """Decides change after change, as if each had been a batch of its own."""

    judge: Judge
    state: Identities
    normals: dict[str, Normal]
    numbers: Allocation
    outcome: Outcome
    guard: Guard
    commits: list[Commit] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)

    def take(self, change: _Change, draft: _Draft, others: Collection[str]) -> None:
        event = change.event
        customer = event.customer
        if draft.is_new and customer not in self.state.identity_of:
            self.state.admit(customer)
            self.admitted.append(customer)
            assigned = self.numbers.assign(facts_of(event), moment(event.recorded_at))
            self._commit(draft, event, NUMBERING, [assigned], key_of(assigned.number))
            self.outcome.numbers += 1
        # Of a customer whose key is destroyed nothing was known before its erasure is told either.
        if self.normals.get(customer) != change.normal or isinstance(event.data, CustomerErased):
            self.normals[customer] = change.normal
            decided = self._decide(customer, others)
            if decided:
                self._commit(draft, event, self._rule, decided)

    @property
    def _rule(self) -> Actor:
        return Actor(id=self.judge.model.id, kind="rule")

    def _decide(self, customer: str, others: Collection[str]) -> list[Contract]:
        """What follows for the identities of a customer and of everybody whom it might be."""
        family = self.state.family(customer)
        likely = {end for other in others if other not in family for end in self._likely(customer, other)}
        asked = {end for ends in self.state.asked if customer in ends for end in ends}
        if not likely and not asked and len(family) == 1:
            return []
        component = set().union(family, *(self.state.family(other) for other in likely | asked))
        scored = records.found_among(self.judge, self.state, component, self.normals)
        events = decide(self.state, {customer, *asked}, scored, guard=self.guard)
        self.outcome.links += sum(isinstance(event, Linked) for event in events)
        self.outcome.reviews += sum(isinstance(event, ReviewOpened) for event in events)
        return events

    def _likely(self, customer: str, other: str) -> tuple[str, ...]:
        """The other one, if the two reach the review threshold."""
        return tuple(other for _ in self.judge.pairs((customer, other), self.normals))

    def _commit(self, draft: _Draft, event: Recorded, actor: Actor, events: Sequence[Contract], *reserve: str) -> None:
        cause = Cause(
            actor=actor,
            channel="identity",
            purpose=event.purpose,
            command=derive("reaction", "identity", event.id),
            correlation=event.correlation,
            causation=event.id,
            depth=event.depth + 1,
        )
        append = Append(stream_of(event.customer), event.customer, draft.version, events)
        self.commits.append(Commit(cause, (append,), reserve=reserve))
        draft.version += len(events)


def _met(change: _Change, index: Mapping[bytes, list[str]], outcome: Outcome) -> list[str]:
    """Whom the keys of a customer bring together with it; the index is brought up to the change."""
    customer = change.event.customer
    for key in change.removed:
        if customer in index.get(key, ()):
            index[key].remove(customer)
    found = brought(customer, change.evidence, index)
    for key in change.evidence:
        if customer not in index[key]:
            index[key].append(customer)
    outcome.common += found.common
    return found.customers


def _append(tx: Transaction, commits: Sequence[Commit]) -> list[Told]:
    """Appends the commits, those of one stream in turn; answers all events with their positions."""
    told: list[Told] = []
    for wave in _waves(commits):
        for commit, answer in zip(wave, tx.append(wave), strict=True):
            if isinstance(answer, CustlogError):
                raise Stop(
                    f"The identity log refused a decision: {answer}. Rebuild the tables of this service from the logs "
                    "before it goes on."
                ) from answer
            told.extend(
                (position, commit.cause.actor.id, event)
                for position, event in enumerate(commit.appends[0].events, start=answer.position)
            )
    return told


def _waves(commits: Sequence[Commit]) -> list[list[Commit]]:
    """Numbers first, then links in the order of their decisions, by which readers go; no stream twice in a wave."""
    numbers = [commit for commit in commits if commit.cause.actor == NUMBERING]
    waves: list[list[Commit]] = [numbers, []]
    taken: set[str] = set()
    for commit in commits:
        if commit.cause.actor == NUMBERING:
            continue
        if commit.owner in taken:
            waves.append([])
            taken.clear()
        waves[-1].append(commit)
        taken.add(commit.owner)
    return waves


def _write(tx: Transaction, drafts: Mapping[str, _Draft], keys: Mapping[str, DataKey]) -> None:
    stored = {customer: draft.stored for customer, draft in drafts.items()}
    store.change_evidence(tx.cursor, stored, {customer: draft.evidence for customer, draft in drafts.items()})
    sealed = [sealed_profile(customer, draft.version, draft.features, keys) for customer, draft in drafts.items()]
    store.put_profiles(tx.cursor, sealed)
