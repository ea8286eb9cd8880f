"""Who is, and who ever was, one with a customer."""

from __future__ import annotations

from deploy.trail.together import ever_together, members

LINKED = [[("ann", "ann"), ("ben", "ann")], [("cem", "cem"), ("dan", "cem")]]
MERGED = [*LINKED, [("cem", "ann"), ("dan", "ann")]]
APART = [*MERGED, [("ben", "ben")]]
ANCHOR_GONE = [*MERGED, [("ann", "ann2")]]


def test_members_are_those_whom_the_last_moves_put_together() -> None:
    assert members(LINKED, "ben") == {"ann", "ben"}
    assert members(MERGED, "dan") == {"ann", "ben", "cem", "dan"}
    assert members(APART, "ben") == {"ben"}
    assert members(APART, "ann") == {"ann", "cem", "dan"}
    assert members([], "eve") == {"eve"}


def test_an_identity_keeps_its_name_when_the_customer_it_is_named_for_was_moved_away() -> None:
    assert members(ANCHOR_GONE, "ben") == {"ben", "cem", "dan"}
    assert members([[("ben", "ann")]], "ben") == {"ann", "ben"}


def test_whoever_was_once_together_stays_so_over_every_link() -> None:
    assert ever_together(APART, "ben") == {"ann", "ben", "cem", "dan"}
    assert ever_together(LINKED, "ben") == {"ann", "ben"}
    assert ever_together(LINKED, "eve") == {"eve"}
