"""The order in which questions are put to people: what an answer is worth, with a part left to chance. Pure.

Worth = uncertainty x impact: how little the weight tells, times how many pairs of customers the answer decides. Every
tenth place goes to a question drawn by chance, so that answers also tell how the model does where it feels sure.
Questions that look the same to the model stand for each other: the queue shows one of them, and how many are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from services.identity.domain.deciding import WEIGHT
from services.identity.domain.identities import Pair

CHANCE_EVERY = 10


@dataclass(frozen=True, slots=True)
class Question:
    """One open question. `pairs` is the number of pairs of customers that its answer decides."""

    id: int
    ends: Pair
    why: str
    weight: int
    pairs: int
    look: tuple[str, str] | None = None
    """Model and vector; None for one that is like no other."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A question in its place, with the ids of all that look the same, itself included."""

    question: Question
    worth: float
    alike: tuple[int, ...]


def uncertainty(question: Question) -> float:
    """From 0 to 1: 4p(1-p) for the probability p that the weight tells; 1 where evidence and guards disagree."""
    if question.why != WEIGHT:
        return 1.0
    bits = min(60.0, abs(question.weight) / 1000)
    probability = 2**bits / (1 + 2**bits)
    return 4 * probability * (1 - probability)


def worth(question: Question) -> float:
    return uncertainty(question) * question.pairs


def queue(questions: Iterable[Question]) -> list[Ranked]:
    """One question of each kind, in the order in which to ask them; the same for the same questions."""
    kinds: dict[object, list[Question]] = {}
    for question in questions:
        kinds.setdefault(question.look or question.id, []).append(question)
    found = [_ranked(alike) for alike in kinds.values()]
    by_worth = sorted(found, key=lambda ranked: (-ranked.worth, ranked.question.id))
    by_chance = sorted(found, key=lambda ranked: sha256(str(ranked.question.id).encode()).digest())
    return _mixed(by_worth, by_chance)


def _ranked(alike: Sequence[Question]) -> Ranked:
    best = min(alike, key=lambda question: (-worth(question), question.id))
    return Ranked(best, sum(map(worth, alike)), tuple(sorted(question.id for question in alike)))


def _mixed(by_worth: Sequence[Ranked], by_chance: Sequence[Ranked]) -> list[Ranked]:
    orders: Mapping[bool, Iterable[Ranked]] = {False: iter(by_worth), True: iter(by_chance)}
    taken: dict[int, Ranked] = {}
    for place in count(1):
        if len(taken) == len(by_worth):
            return list(taken.values())
        order = orders[place % CHANCE_EVERY == 0]
        following = next((ranked for ranked in order if ranked.question.id not in taken), None)
        if following is not None:
            taken[following.question.id] = following
    raise AssertionError("count never ends")
