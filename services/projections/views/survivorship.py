"""Which member's value stands for the whole identity: a pure, versioned policy.

Policy 2: a value of an active member beats one of an archived member; then a verified one beats one that is not; then
the most recent one; then that of the oldest member (ids are ordered by time); then the one that was told first.
"""

from collections.abc import Sequence
from typing import NamedTuple

POLICY = 2
RECTIFICATION = "rectification"
"""The purpose of a change that the person asked for: its value counts as verified, whatever sources say later."""


class Candidate(NamedTuple):
    """One member's value of a field: where it stands and what speaks for it. `detail` is carried along."""

    active: bool
    verified: bool
    at: str
    member: str
    event: str
    detail: str = ""


class Choice(NamedTuple):
    """The value that holds, and the rule that decided."""

    chosen: Candidate
    why: str


def choose(candidates: Sequence[Candidate]) -> Choice:
    """The surviving one of at least one candidate. Those of one member come in the order in which they were told."""
    if len(candidates) == 1:
        return Choice(candidates[0], "only value")
    best, *rivals = sorted(sorted(candidates, key=_age), key=_merit, reverse=True)
    rivals = [rival for rival in rivals if rival.active == best.active]
    if not rivals:
        return Choice(best, "active member")
    rivals = [rival for rival in rivals if rival.verified == best.verified]
    if not rivals:
        return Choice(best, "verified")
    if all(rival.at < best.at for rival in rivals):
        return Choice(best, "most recent")
    return Choice(best, "oldest member")


def _merit(candidate: Candidate) -> tuple[bool, bool, str]:
    return candidate.active, candidate.verified, candidate.at


def _age(candidate: Candidate) -> str:
    return candidate.member
