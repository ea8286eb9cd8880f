from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching.clusters import Pair, cluster, components, united
from services.identity.matching.guards import conflict
from services.identity.matching.model import shipped
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Normal, Raw
from tests.identity.matching.people import named, normals

MODEL = shipped()
STRONG = MODEL.merge + 5000


def pairs_of(*names: str) -> list[Pair]:
    return [Pair(name[0], name[1], STRONG) for name in names]


def plain(*ids: str) -> dict[str, Normal]:
    return {record: named(birth="1980-02-03") for record in ids}


def test_strong_pairs_make_clusters() -> None:
    found = cluster(pairs_of("ab", "bc", "de"), plain(*"abcdef"), MODEL)

    assert found.clusters == (("a", "b", "c"), ("d", "e"))


def test_a_pair_below_the_merge_threshold_joins_nobody() -> None:
    assert cluster([Pair("a", "b", MODEL.merge - 1)], plain("a", "b"), MODEL).clusters == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(normals, min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_the_same_pairs_in_any_order_give_the_same_clusters(records: list[Normal], shuffle: random.Random) -> None:
    ids = {f"r{n}": normal for n, normal in enumerate(records)}
    names = sorted(ids)
    pairs = [Pair(a, b, shuffle.randrange(-5000, 20000)) for n, a in enumerate(names) for b in names[n + 1 :]]
    mixed = shuffle.sample(pairs, len(pairs))

    assert cluster(pairs, ids, MODEL) == cluster(mixed, ids, MODEL)


@settings(max_examples=40, deadline=None)
@given(st.lists(normals, min_size=2, max_size=9), st.randoms(use_true_random=False))
def test_groups_that_nothing_links_are_clustered_alone_as_they_are_together(
    records: list[Normal], chance: random.Random
) -> None:
    ids = {f"r{n}": normal for n, normal in enumerate(records)}
    every = [Pair(f"r{a}", f"r{b}", chance.randrange(20_000)) for b in range(len(ids)) for a in range(b)]
    pairs = [pair for pair in chance.sample(every, len(every) // 3) if pair.weight >= MODEL.merge]

    alone = united(cluster(group, ids, MODEL) for group in components(pairs))

    assert alone == cluster(pairs, ids, MODEL)


def test_groups_are_linked_over_any_number_of_pairs() -> None:
    found = components(pairs_of("ab", "cd", "ef", "bc", "gh"))

    assert sorted(len(group) for group in found) == [1, 1, 3]


def test_never_keeps_apart_whatever_the_pairs_weigh_and_whoever_stands_between() -> None:
    found = cluster(pairs_of("ab", "bc"), plain(*"abc"), MODEL, never=[("c", "a")])

    assert len(found.clusters) == 1
    assert [held.guard for held in found.held] == ["never"]


def test_same_joins_without_any_pair_and_past_a_guard() -> None:
    normals_of = {"a": named(birth="1980-02-03"), "b": named(birth="1920-11-30")}

    assert cluster([], normals_of, MODEL, same=[("b", "a")]).clusters == (("a", "b"),)


def test_one_strong_pair_does_not_bridge_two_crowds_of_strangers() -> None:
    left = {f"a{n}": named(given="Anna", birth="1980-02-03", email="anna@example.org") for n in range(3)}
    right = {f"b{n}": named(given="Robert", family="Zhou", birth="1975-06-07") for n in range(3)}
    inside = [Pair(f"{side}{m}", f"{side}{n}", STRONG) for side in "ab" for m in range(3) for n in range(m + 1, 3)]

    found = cluster([*inside, Pair("a0", "b0", MODEL.merge)], left | right, MODEL)

    assert found.clusters == (("a0", "a1", "a2"), ("b0", "b1", "b2"))
    assert found.held


def test_a_cluster_does_not_grow_over_the_largest_size() -> None:
    ids = [f"r{n:04}" for n in range(MODEL.guards.size + 20)]
    chain = [Pair(a, b, STRONG) for a, b in pairwise(ids)]

    found = cluster(chain, plain(*ids), MODEL)

    assert max(map(len, found.clusters)) <= MODEL.guards.size
    assert {held.guard for held in found.held} == {"size"}


def test_guards_say_why_two_stay_apart() -> None:
    org = normalise(Raw(kind="org", company="Acme Tools Ltd"))
    leeds = normalise(Raw(kind="org", company="Acme Tools Ltd - Leeds Branch"))
    york = normalise(Raw(kind="org", company="Acme Tools Ltd - York Branch"))
    head, beijing, shanghai = (
        normalise(Raw(kind="org", company=f"{place}佳达医药有限公司")) for place in ("", "北京", "上海")
    )
    one = normalise(Raw(full="Li Na", identifiers=(("national_id", "11010519491231002X"),)))
    two = normalise(Raw(full="Li Na", identifiers=(("national_id", "440524188001010014"),)))

    assert conflict([named()], [org], MODEL) == "kind"
    assert conflict([leeds], [york], MODEL) == "branch"
    assert conflict([head, beijing], [head, shanghai], MODEL) == "branch"
    assert conflict([head, beijing], [head, beijing], MODEL) is None
    assert conflict([one], [two], MODEL) == "code"
    assert conflict([named(birth="1980-02-03")], [named(birth="1949-11-30")], MODEL) == "birth_date"
    assert conflict([named(family="Miller Jr")], [named(family="Miller Sr")], MODEL) == "generation"
    assert conflict([named()], [named(given="Robert")], MODEL) == "given_name"
    assert conflict([named()], [named()], MODEL) is None
