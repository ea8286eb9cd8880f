import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.access.levels import Level
from shared.access.policy import ACTIONS, GRANTS, ROLES, SIGHT, allows, mask, sees

WIDTH = {"deny": 0, "mask": 1, "allow": 2}
roles = st.sets(st.sampled_from(ROLES))
levels = st.sampled_from(Level)
strangers = st.text(max_size=8).filter(lambda name: name not in ROLES)


def test_every_role_has_a_line_in_both_tables() -> None:
    assert set(GRANTS) == set(SIGHT) == set(ROLES)


def test_nobody_may_do_or_see_anything() -> None:
    assert not any(allows([], action) for action in ACTIONS)
    assert {sees([], level) for level in Level} == {"deny"}


@given(roles, strangers, st.sampled_from(ACTIONS), levels)
def test_an_unknown_role_changes_nothing(held: set[str], stranger: str, action: str, level: Level) -> None:
    assert allows(held | {stranger}, action) == allows(held, action)
    assert sees(held | {stranger}, level) == sees(held, level)


@given(roles, st.text(max_size=20).filter(lambda name: name not in ACTIONS))
def test_an_unknown_action_is_allowed_to_nobody(held: set[str], action: str) -> None:
    assert not allows(held, action)


@given(roles, st.sampled_from(ROLES), levels)
def test_several_roles_see_what_the_widest_of_them_sees(held: set[str], role: str, level: Level) -> None:
    assert WIDTH[sees(held | {role}, level)] == max(WIDTH[sees(held, level)], WIDTH[sees([role], level)])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_never_sees_a_higher_level_more_widely_than_a_lower_one(role: str) -> None:
    widths = [WIDTH[sees([role], level)] for level in Level]

    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("role", ["import", "operator", "viewer"])
def test_roles_that_need_no_personal_data_see_none_in_full(role: str) -> None:
    assert sees([role], Level.SENSITIVE) != "allow"
    assert sees([role], Level.CORE) == "deny"


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("name", "Lovelace", "L***"),
        ("name", "王小明", "王***"),
        ("name", "Bo", "***"),
        ("phone", "+44 20 7946 0958", "***0958"),
        ("phone", "12345", "***"),
        ("email", "ada@example.org", "a***@***"),
        ("email", "a@example.org", "***"),
        ("email", "no address", "***"),
        ("date", "1815-12-10", "1815-**-**"),
        ("date", "10.12.1815", "***"),
        ("identifier", "AB123456C", "***6C"),
        ("identifier", "1234", "***"),
        ("default", "anything", "***"),
        ("default", "", "***"),
    ],
)
def test_a_mask_shows_what_it_states(kind: str, value: str, shown: str) -> None:
    assert mask(kind, value) == shown  # type: ignore[arg-type]


SHOWN = {"name": 1, "phone": 4, "email": 1, "date": 4, "identifier": 2, "default": 0}


@given(st.sampled_from(sorted(SHOWN)), st.text(max_size=60))
def test_a_mask_never_shows_more_characters_than_stated(kind: str, value: str) -> None:
    masked = mask(kind, value)  # type: ignore[arg-type]
    shown = masked.replace("*", "").replace("@", "").replace("-", "")

    assert len(shown) <= SHOWN[kind]
    assert "***" in masked or masked.endswith("-**-**")


@given(st.sampled_from(["name", "email", "default"]), st.text("abcdefgh", min_size=4, max_size=40))
def test_the_length_of_a_masked_value_does_not_show(kind: str, value: str) -> None:
    assert len(mask(kind, value)) == len(mask(kind, value + "h"))  # type: ignore[arg-type]
