"""The order of questions: worth first, a tenth by chance, alike ones as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.reviews import Question, queue, uncertainty


def question(number: int, weight: int = 0, pairs: int = 1, why: str = "weight", vector: str | None = None) -> Question:
    look = None if vector is None else ("m.v1", vector)
    return Question(number, (f"a{number}", f"b{number}"), why, weight, pairs, look)


def test_the_less_a_weight_tells_and_the_more_it_decides_the_earlier_it_is_asked() -> None:
    asked = [question(1, 5000), question(2, 0), question(3, -2000, pairs=12), question(4, 9000, why="code")]

    assert [ranked.question.id for ranked in queue(asked)] == [3, 2, 4, 1]
    assert uncertainty(question(1)) == 1
    assert uncertainty(question(1, 3000)) == uncertainty(question(1, -3000))


def test_questions_that_look_the_same_are_one_and_add_up() -> None:
    asked = [question(1, 5000, vector="v"), question(2, 5000, vector="v"), question(3, 4900, vector="w"), question(4)]

    found = queue(asked)

    assert {ranked.alike for ranked in found} == {(1, 2), (3,), (4,)}
    assert found[1].alike == (1, 2)


@given(st.lists(st.integers(-20_000, 20_000), max_size=60), st.randoms(use_true_random=False))
def test_every_question_has_one_place_and_every_tenth_is_drawn_by_chance(weights: list[int], random: object) -> None:
    asked = [question(number, weight) for number, weight in enumerate(weights)]
    shuffled = list(asked)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    found = queue(asked)

    assert sorted(ranked.question.id for ranked in found) == list(range(len(asked)))
    assert found == queue(shuffled)
    worths = [ranked.worth for place, ranked in enumerate(found, start=1) if place % 10]
    assert worths == sorted(worths, reverse=True)
