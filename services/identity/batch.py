"""From customer events to numbers and links: one batch, one set of reads, one append, one set of writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.identity import store
from services.identity.allocation import Allocation, key_of
from services.identity.domain import Banned, Identities, evolve, link, pair
from services.identity.matching import features as matching
from services.identity.matching.features import NOTHING, Features
from services.identity.matching.fingerprint import Evidence
from services.identity.matching.lookup import Token, Tokens
from services.identity.matching.rules import VERSION as MATCHING_RULES
from services.identity.matching.rules import names
from services.identity.numbering.facts import facts_of
from services.identity.numbering.rule import ACTOR as NUMBERING_RULES
from services.identity.streams import stream_of
from shared.consumer import Unappliable
from shared.errors import CustlogError
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Transaction
from shared.events.customer import CustomerErased
from shared.events.envelope import Actor, Cause, Contract, Recorded, moment
from shared.events.identity import Linked
from shared.ids import derive
from shared.privacy.sealing import DataKey, associated_data, seal, unseal
from shared.subscription import Stop

RULE = Actor(id=MATCHING_RULES, kind="rule")
NUMBERING = Actor(id=NUMBERING_RULES, kind="rule")


@dataclass(slots=True)
class Outcome:
    """What a batch led to, for metrics."""

    numbers: int = 0
    links: int = 0
    banned: int = 0
    common: int = 0


@dataclass(slots=True)
class _Draft:
    """A customer of the batch while it changes."""

    version: int
    is_new: bool
    features: Features
    stored: Evidence
    evidence: Evidence
    tokens: frozenset[Token] = frozenset()


@dataclass(frozen=True, slots=True)
class _Change:
    """What one event changes in the evidence of its customer."""

    event: Recorded
    added: Evidence
    removed: Collection[bytes]


class Matching:
    """Applies customer events: numbers every new customer and links those that share evidence."""

    def __init__(self, fingerprints: Callable[[Features], Evidence], tokens: Tokens = lambda _: frozenset()) -> None:
        self._fingerprints = fingerprints
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
        changes = [self._change(drafts[event.customer], event) for event in telling]
        index = store.holders(tx.cursor, {key for change in changes for key in change.added})
        involved = {customer for customers in index.values() for customer in customers}
        involved.update(customer for customer, draft in drafts.items() if not draft.is_new)
        state = store.identities(tx.cursor, involved)
        decision = _Decision(index, state, Allocation(tx.cursor), outcome)
        for change in changes:
            decision.take(change, drafts[change.event.customer])
        decision.numbers.save()
        links = _append(tx, decision.commits)
        _write(tx, drafts, keys)
        self._write_tokens(tx, drafts)
        store.put_members(tx.cursor, {customer: state.identity_of[customer] for customer in decision.moved})
        store.put_links(tx.cursor, links)
        outcome.links = len(links)
        return outcome

    def _drafts(self, tx: Transaction, events: Sequence[Recorded], keys: Mapping[str, DataKey]) -> dict[str, _Draft]:
        customers = list(dict.fromkeys(event.customer for event in events))
        known = store.profiles(tx.cursor, customers)
        drafts = {}
        for customer in customers:
            profile = known.get(customer)
            if profile is None:
                drafts[customer] = _Draft(0, is_new=True, features=NOTHING, stored={}, evidence={})
            else:
                features = open_profile(profile, keys)
                evidence = self._fingerprints(features)
                tokens = self._tokens(features)
                drafts[customer] = _Draft(profile.version, False, features, evidence, evidence, tokens)  # noqa: FBT003
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
            evidence = self._fingerprints(features)
        except Exception as error:
            raise Unappliable(event, f"{event.type} cannot be applied: {type(error).__name__}") from error
        before = draft.evidence
        draft.features, draft.evidence = features, evidence
        if not before:
            return _Change(event, evidence, ())
        added = {key: rule for key, rule in evidence.items() if key not in before}
        return _Change(event, added, before.keys() - evidence.keys())


@dataclass(slots=True)
class _Decision:
    """Decides change after change, as if each had been a batch of its own."""

    index: dict[bytes, list[str]]
    state: Identities
    numbers: Allocation
    outcome: Outcome
    commits: list[Commit] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)

    def take(self, change: _Change, draft: _Draft) -> None:
        event = change.event
        customer = event.customer
        if draft.is_new and customer not in self.state.identity_of:
            self.state.admit(customer)
            self.moved.add(customer)
            assigned = self.numbers.assign(facts_of(event), moment(event.recorded_at))
            self._commit(draft, event, NUMBERING, [assigned], key_of(assigned.number))
            self.outcome.numbers += 1
        linked = self._link(customer, self._sharing(change))
        if linked:
            self._commit(draft, event, RULE, linked)

    def _sharing(self, change: _Change) -> dict[str, list[int]]:
        """Who shares the new evidence, with the rules that say so; the index is brought up to the change."""
        customer = change.event.customer
        for key in change.removed:
            if customer in self.index.get(key, ()):
                self.index[key].remove(customer)
        found: dict[str, list[int]] = {}
        for key, rule in change.added.items():
            sharing = self.index[key]
            if len(sharing) > store.COMMON:
                self.outcome.common += 1
            else:
                for other in sharing:
                    found.setdefault(other, []).append(rule)
            if customer not in sharing:
                sharing.append(customer)
        found.pop(customer, None)
        return found

    def _link(self, customer: str, sharing: Mapping[str, list[int]]) -> list[Linked]:
        """One link to each identity that is sharing evidence, the strongest member first."""
        made: list[Linked] = []
        for other, rules in sorted(sharing.items(), key=lambda item: (-len(item[1]), item[0])):
            try:
                events = link(self.state, customer, other, evidence=names(rules), decided_by=MATCHING_RULES)
            except Banned:
                self.outcome.banned += 1
                continue
            for event in events:
                evolve(self.state, event)
                self.moved.update(move.customer for move in event.moves)
            made.extend(events)
        return made

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


def _append(tx: Transaction, commits: Sequence[Commit]) -> dict[tuple[str, str], int]:
    """Appends the commits, those of one stream in turn; answers the links made with their positions."""
    links: dict[tuple[str, str], int] = {}
    for wave in _waves(commits):
        for commit, answer in zip(wave, tx.append(wave), strict=True):
            if isinstance(answer, CustlogError):
                raise Stop(
                    f"The identity log refused a decision: {answer}. Rebuild the tables of this service from the logs "
                    "before it goes on."
                ) from answer
            for position, event in enumerate(commit.appends[0].events, start=answer.position):
                if isinstance(event, Linked):
                    links[pair(event.a, event.b)] = position
    return links


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
    added: list[tuple[str, Evidence]] = []
    removed: list[tuple[bytes, str]] = []
    for customer, draft in drafts.items():
        if draft.stored:
            added.append((customer, {k: rule for k, rule in draft.evidence.items() if k not in draft.stored}))
            removed.extend((key, customer) for key in draft.stored if key not in draft.evidence)
        else:
            added.append((customer, draft.evidence))
    store.drop_evidence(tx.cursor, removed)
    store.put_evidence(tx.cursor, added)
    store.put_profiles(tx.cursor, [_seal(customer, draft, keys) for customer, draft in drafts.items()])


def _place(customer: str) -> bytes:
    return associated_data("identity", stream_of(customer), 0, "profile", customer)


def _seal(customer: str, draft: _Draft, keys: Mapping[str, DataKey]) -> store.Profile:
    key = keys.get(customer)
    if key is None:
        return store.Profile(customer, draft.version, None)
    sealed = seal(key, draft.features.to_json(), _place(customer))
    return store.Profile(customer, draft.version, sealed, draft.features.restricted)


def open_profile(profile: store.Profile, keys: Mapping[str, DataKey]) -> Features:
    """What is known of a customer; nothing once its key is gone."""
    key = keys.get(profile.customer)
    if profile.sealed is None or key is None:
        return NOTHING
    return Features.from_json(unseal(key, profile.sealed, _place(profile.customer)))
