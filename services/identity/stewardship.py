"""What people decide about identities: assertions, answers to questions, and the second person for what is large.

Each command is one transaction under the log's lock: what was said, and what follows of it for the whole component.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from pydantic import BaseModel, ConfigDict

from services.identity import decision_store, store
from services.identity.commands import Answer, run
from services.identity.decision_store import Request, Review
from services.identity.domain.assertions import assert_never, assert_same, expire, withdraw
from services.identity.domain.clustering import Guard, Scored
from services.identity.domain.deciding import follow
from services.identity.domain.identities import MANUAL, Identities, Pair, components, evolve, link, pair
from services.identity.domain.reviews import Question, Ranked, queue
from shared.clock import Clock, SystemClock
from shared.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, TooLarge, Unavailable
from shared.eventlog.log import Log, Transaction
from shared.events.envelope import Actor, Cause, Contract, Id, Instant, Word
from shared.events.identity import ApprovalDecided, ApprovalRequested, ReviewClosed
from shared.ids import derive, uuid7

EXPIRY = Actor(id="identity.expiry.v1", kind="rule")
EXPIRY_SECONDS = 30.0
FOUR_EYES = 20
"""A decision that touches more customers at once than this needs a second person."""
ALIKE = 100
"""As many questions that look the same are answered in one transaction at most."""
QUEUE = 5_000
"""As many of the oldest open questions are ranked."""
_OPPOSITE = {"same": "never", "never": "same (with overrule)"}
Found: TypeAlias = tuple[Sequence[Scored], Guard]
Rescore: TypeAlias = Callable[[Transaction, Identities, Sequence[Collection[str]]], Found]
"""Every scored pair within each of these crowds, links of which nothing tells any more included, and the guard."""


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Assert(_Command):
    """Customers a and b are the same, or never one. It holds until it expires, is withdrawn or overruled.

    `overrule` ends what keeps the two identities apart. `alone` says "never" of a and everybody it is one with.
    """

    a: Id
    b: Id
    says: Literal["same", "never"]
    reason: Word
    expires: Instant | None = None
    overrule: bool = False
    alone: bool = False


class Withdraw(_Command):
    """What was asserted of a and b holds no longer; the model decides again."""

    a: Id
    b: Id
    says: Literal["same", "never"]
    reason: Word


class Respond(_Command):
    """The answer to a question; `alike` gives it to all open questions that look the same to the model."""

    answer: Literal["same", "never", "unsure"]
    reason: Word
    overrule: bool = False
    alike: bool = False


class Decision(_Command):
    """The second person's answer to a request."""

    approved: bool
    reason: Word | None = None


class Stewardship:
    """Commands and questions of those who look after identities."""

    def __init__(self, log: Log, *, rescore: Rescore, four_eyes: int = FOUR_EYES, clock: Clock | None = None) -> None:
        self._log = log
        self._clock = clock or SystemClock()
        self._rescore = rescore
        self._four_eyes = four_eyes

    async def say(self, command: Assert, cause: Cause, digest: bytes, *, together: bool = False) -> Mapping[str, Any]:
        """Asserts something of two customers, or requests it where it touches many.

        `together` refuses, with Conflict, what is said of two who are not one. Raises NotFound, Banned, Contradiction,
        Invalid, CommandReused, and Conflict while the processing of one of them is restricted.
        """

        def decide(tx: Transaction, state: Identities) -> Answer:
            self._check_ahead(command)
            if command.says == "same":
                check_not_restricted(tx, (command.a, command.b))
            if together:
                check_together(state, command.a, command.b)
            said = _said(state, command)
            size = _size(state, command.a, command.b)
            if said and size > self._four_eyes:
                return _asking(state, command, size, cause)
            return self._follow(tx, state, command, said)

        return await run(self._log, (command.a, command.b), cause, digest, decide)

    async def withdraw(self, command: Withdraw, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Ends an assertion. Raises NotFound, Invalid, CommandReused, and Conflict if there is none.

        Conflict too where this moves somebody of many: a request can tell what is asserted, not what is withdrawn.
        """

        def decide(tx: Transaction, state: Identities) -> Answer:
            size = _size(state, command.a, command.b)
            said = withdraw(state, command.a, command.b, command.says, command.reason)
            answer = self._follow(tx, state, command, said)
            if answer.result["changed"] and size > self._four_eyes:
                raise Conflict(
                    f"what follows of this touches {size} customers, and more than {self._four_eyes} are not for one "
                    f"person to decide; assert {_OPPOSITE[command.says]} of {command.a} and {command.b}, which a "
                    "second person approves"
                )
            return answer

        return await run(self._log, (command.a, command.b), cause, digest, decide)

    async def approve(self, request_id: str, decision: Decision, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Carries out what somebody else requested, or refuses it.

        Raises NotFound, Forbidden for one's own request, and what `say` raises: the request then stays open.
        """
        asked = await self._log.in_thread(lambda: self._request(request_id))

        def decide(tx: Transaction, state: Identities) -> Answer:
            if decision_store.request(tx.cursor, request_id) is None:
                raise NotFound(f"request {request_id} was decided meanwhile")
            if asked.author == cause.actor.id:
                raise Forbidden("You requested this yourself; somebody else has to decide it.")
            decided = ApprovalDecided(request_id=request_id, approved=decision.approved, reason=decision.reason)
            if not decision.approved:
                return Answer([decided], membership(state, asked.a, changed=False))
            command = _command(asked)
            self._check_ahead(command)
            answer = self._follow(tx, state, command, _said(state, command))
            return Answer([decided, *answer.events], answer.result)

        return await run(self._log, (asked.a, asked.b), cause, digest, decide)

    async def respond(self, review_id: int, response: Respond, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Answers an open question, and with it all that look the same if so wanted.

        Those that look the same are answered before it, ALIKE at a time. Raises NotFound if it is not open, and what
        `say` raises, Conflict too where a second person is needed: the question and what was not answered before it
        then stay open, and the same command may come again.
        """
        asked = await self._log.in_thread(lambda: self._asked(review_id, cause, digest, alike=response.alike))
        answered, most = 0, ALIKE
        while True:
            part = asked[-most:]
            last = len(part) == len(asked)
            each = cause if last else msgspec.structs.replace(cause, command=derive("alike", cause.command, *part[0]))
            try:
                result = await self._respond(part, response, each, digest, answered)
            except TooLarge:
                if len(part) == 1:
                    raise
                most = len(part) // 2
                continue
            if last:
                return result
            answered = result["answered"]
            asked = asked[:-most]

    async def _respond(
        self, asked: Sequence[Pair], response: Respond, cause: Cause, digest: bytes, before: int
    ) -> Mapping[str, Any]:
        """One transaction with the answers to these questions, of which `before` more were answered in others."""
        customers = tuple(dict.fromkeys(end for ends in asked for end in ends))

        def decide(tx: Transaction, state: Identities) -> Answer:
            still = [ends for ends in asked if (known := state.asked.get(ends)) is not None and known.open]
            if not still and not before and len(asked) == 1:
                raise NotFound("this question was answered meanwhile")
            if response.answer == "same":
                check_not_restricted(tx, {end for ends in still for end in ends})
            crowds = _crowds(state)
            said = _answers(state, still, response, self._four_eyes)
            scored, guard = self._rescore(tx, state, crowds)
            events = follow(state, said, customers, scored, guard=guard, reason=response.reason)
            given = sum(isinstance(event, ReviewClosed) for event in said)
            return Answer(events, {**membership(state, customers[0], changed=True), "answered": before + given})

        return await run(self._log, customers, cause, digest, decide)

    async def run_expiry(self) -> None:
        """Ends what is over, every now and then, until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.expire(self._clock.now())
            await asyncio.sleep(EXPIRY_SECONDS)

    async def expire(self, now: datetime, limit: int = 100) -> int:
        """Ends assertions that are over at `now`; answers how many pairs it was. Raises Unavailable (retry)."""
        over = await self._log.in_thread(lambda: self._over(now, limit))
        for ends in over:

            def decide(tx: Transaction, state: Identities, ends: Pair = ends) -> Answer:
                command = Withdraw(a=ends[0], b=ends[1], says="never", reason="expired")
                return self._follow(tx, state, command, expire(state, *ends))

            command = uuid7()
            await run(
                self._log, ends, Cause(EXPIRY, "identity", "service", command, command, command), b"expiry", decide
            )
        return len(over)

    async def queue(self, limit: int) -> list[tuple[Ranked, Review]]:
        """The questions to answer next, the most worthwhile first."""

        def work() -> list[tuple[Ranked, Review]]:
            with self._log.transaction() as tx:
                found = decision_store.open_reviews(tx.cursor, QUEUE)
                sizes = decision_store.sizes(tx.cursor, {end for ends in found for end in ends})
            by_id = {review.position: review for review in found.values()}
            asked = [_question(ends, review, sizes) for ends, review in found.items()]
            return [(ranked, by_id[ranked.question.id]) for ranked in queue(asked)[:limit]]

        return await self._log.in_thread(work)

    async def requests(self, limit: int) -> list[Request]:
        """What waits for a second person, the oldest first."""

        def work() -> list[Request]:
            with self._log.transaction() as tx:
                return decision_store.requests(tx.cursor, limit)

        return await self._log.in_thread(work)

    async def assertions(self, after: int, limit: int) -> dict[Pair, decision_store.Assertion]:
        """What is asserted of anybody, in the order in which it was said; these are the labels for calibration."""

        def work() -> dict[Pair, decision_store.Assertion]:
            with self._log.transaction() as tx:
                return decision_store.all_assertions(tx.cursor, after, limit)

        return await self._log.in_thread(work)

    def _follow(
        self, tx: Transaction, state: Identities, command: Assert | Withdraw, said: Sequence[Contract]
    ) -> Answer:
        ends = (command.a, command.b)
        if not said:
            return Answer([], {**membership(state, command.a, changed=False), "recorded": False})
        before = dict(state.identity_of)
        scored, guard = self._rescore(tx, state, [set(state.identity_of)])
        events = follow(state, said, ends, scored, guard=guard, parted=pair(*ends), reason=command.reason)
        changed = any(identity != before.get(customer) for customer, identity in state.identity_of.items())
        return Answer(events, {**membership(state, command.a, changed=changed), "recorded": True})

    def _check_ahead(self, command: Assert) -> None:
        if command.expires is not None and command.expires <= self._clock.now():
            wrong: FieldError = {"field": "expires", "message": "must lie ahead"}
            raise Invalid("this assertion is over already; say it without expiry, or with a later one", errors=[wrong])

    def _request(self, request_id: str) -> Request:
        with self._log.transaction() as tx:
            found = decision_store.request(tx.cursor, request_id)
        if found is None:
            raise NotFound(f"request {request_id} is not open")
        return found

    def _asked(self, review_id: int, cause: Cause, digest: bytes, *, alike: bool) -> list[Pair]:
        """The question and, if so wanted, all others that look the same; none if this command was answered already."""
        with self._log.transaction() as tx:
            if tx.recall(cause.command, digest) is not None:
                return []
            found = decision_store.open_review(tx.cursor, review_id)
            if found is None:
                raise NotFound(f"question {review_id} is not open")
            wanted, review = found
            if not alike or review.vector is None:
                return [wanted]
            others = decision_store.open_alike(tx.cursor, review.model, review.vector)
        return [wanted, *(ends for ends in others if ends != wanted)]

    def _over(self, now: datetime, limit: int) -> list[Pair]:
        with self._log.transaction() as tx:
            return decision_store.expired(tx.cursor, now, limit)


def _said(state: Identities, command: Assert) -> list[Contract]:
    a, b, reason, expires = command.a, command.b, command.reason, command.expires
    if command.says == "same":
        return assert_same(state, a, b, reason, expires=expires, overrule=command.overrule)
    return assert_never(state, a, b, reason, expires=expires, alone=command.alone)


def _answers(state: Identities, asked: Iterable[Pair], response: Respond, four_eyes: int) -> list[Contract]:
    """What is said by this answer to these questions, as if one were answered after the other.

    Of two who are one by then, through the answers before, nothing is said any more. Raises what `_said` raises, and
    Conflict for an answer that touches more customers than one person decides on.
    """
    said: list[Contract] = []
    now = state.copy()
    for a, b in asked:
        if now.identity(a) == now.identity(b) and state.identity(a) != state.identity(b):
            continue
        closed = ReviewClosed(a=a, b=b, answer=response.answer, reason=response.reason)
        fresh: list[Contract] = [closed]
        if response.answer != "unsure":
            if _size(now, a, b) > four_eyes:
                raise Conflict(f"this answer touches more than {four_eyes} customers; request it as an assertion")
            command = Assert(a=a, b=b, says=response.answer, reason=response.reason, overrule=response.overrule)
            fresh += _said(now, command)
        _evolve(now, fresh)
        if response.answer == "same":
            _evolve(now, link(now, a, b, evidence=(), decided_by=MANUAL))
        said += fresh
    return said


def _evolve(state: Identities, events: Iterable[Contract]) -> None:
    for event in events:
        evolve(state, event)


def _crowds(state: Identities) -> list[set[str]]:
    """Who hangs together by identities and open questions: whom one answer can concern."""
    families = ((identity, member) for identity, members in state.members.items() for member in members)
    asked = (ends for ends, question in state.asked.items() if question.open)
    return components(state.identity_of, [*families, *asked])


def check_together(state: Identities, a: str, b: str) -> None:
    """Raises Conflict for two who share no identity, NotFound."""
    if a == b or state.identity(a) != state.identity(b):
        raise Conflict(f"customers {a} and {b} do not share an identity; there is nothing to separate")


def _size(state: Identities, a: str, b: str) -> int:
    return len(state.family(a) | state.family(b))


def _asking(state: Identities, command: Assert, size: int, cause: Cause) -> Answer:
    request_id = derive("approval", cause.command)
    event = ApprovalRequested(request_id=request_id, size=size, **command.model_dump())
    told = {**membership(state, command.a, changed=False), "recorded": False, "request": request_id}
    return Answer([event], told)


def _command(asked: Request) -> Assert:
    fields = {name: getattr(asked, name) for name in Assert.model_fields}
    return Assert.model_validate(fields)


def _question(ends: Pair, review: Review, sizes: Mapping[str, int]) -> Question:
    return Question(
        id=review.position,
        ends=ends,
        why=review.why,
        weight=review.weight,
        pairs=sizes.get(ends[0], 1) * sizes.get(ends[1], 1),
        look=None if review.vector is None else (review.model, review.vector),
    )


def membership(state: Identities, customer: str, *, changed: bool) -> dict[str, Any]:
    """Where a customer belongs after a command."""
    identity = state.identity(customer)
    return {"identity": identity, "members": sorted(state.members[identity]), "changed": changed}


def check_not_restricted(tx: Transaction, customers: Collection[str]) -> None:
    """Raises Conflict while the processing of one of them is restricted."""
    for customer, profile in sorted(store.profiles(tx.cursor, customers).items()):
        if profile.restricted:
            raise Conflict(f"the processing of customer {customer} is restricted; lift the restriction to link it")
