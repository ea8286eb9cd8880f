"""The survivorship policy: by which rules the golden record chooses, from when on. One stream for all. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.customer.domain.command import Command, Line, Moment, invalid
from shared.eventlog.decider import Decider
from shared.events.envelope import Contract, instant
from shared.events.survivorship import Policy, SurvivorshipPolicySet


class SetSurvivorshipPolicy(Command):
    """Make the golden record by this policy, from now on or from a later instant."""

    policy: Policy
    effective_from: Moment | None = None
    reason: Line


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that were set, the first first."""

    editions: tuple[SurvivorshipPolicySet, ...] = ()

    def in_force(self, at: datetime) -> SurvivorshipPolicySet | None:
        """The policy then; None while it is the one that custlog comes with."""
        begun = [edition for edition in self.editions if edition.effective_from <= at]
        return max(begun, key=lambda edition: (edition.effective_from, edition.version), default=None)


def decider(_: str = "") -> Decider[Policies, SetSurvivorshipPolicy]:
    """The decider of the one stream of policies."""
    return Decider(Policies(), decide, evolve)


def decide(state: Policies, command: SetSurvivorshipPolicy, now: datetime) -> Sequence[Contract]:
    """The event of a new policy, none if the same is in force from then on anyway.

    Raises Invalid (rejected) for an instant that has passed: what the golden record was then has been told.
    """
    if command.occurred_at is not None:
        raise invalid("occurred_at", "A policy cannot have been set earlier; leave this out.")
    since = now if command.effective_from is None else command.effective_from
    if since < now:
        raise invalid("effective_from", f"This has passed; it is {instant(now)}.")
    known = state.in_force(since)
    if known is not None and known.policy == command.policy:
        return ()
    version = len(state.editions) + 1
    return (SurvivorshipPolicySet(version=version, policy=command.policy, effective_from=since, reason=command.reason),)


def evolve(state: Policies, event: Contract) -> Policies:
    """The state after one more event."""
    return Policies((*state.editions, event)) if isinstance(event, SurvivorshipPolicySet) else state
