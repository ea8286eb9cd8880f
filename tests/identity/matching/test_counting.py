from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching.counting import OFTEN, counted, learn, learn_file
from services.identity.matching.frequencies import Frequencies
from services.identity.matching.record import Normal
from services.identity.matching.rows import Packed, Rows, packed
from tests.identity.matching.people import named, normals

KNOWN = Frequencies({"given": {"anna": 7000, "never seen": 9000}, "postcode": {"ls14ab": 5000}, "of old": {"x": 1}})


def rows_of(records: list[Normal]) -> Rows:
    return Rows(Packed([f"r{n:03}" for n in range(len(records))], [packed(record) for record in records]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(normals, min_size=1, max_size=8),
    st.lists(st.integers(0, 7), max_size=40),
    st.integers(1, 12),
    st.sampled_from((KNOWN, Frequencies())),
)
def test_a_file_counted_in_parts_says_what_its_records_say_one_after_the_other(
    some: list[Normal], drawn: list[int], step: int, known: Frequencies
) -> None:
    records = [some[number % len(some)] for number in drawn]
    rows = rows_of(records)
    spans = [(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]

    found = learn_file([counted(rows.normals(start, end), start) for start, end in spans], rows, known)

    assert found == learn(records, known)


def test_what_several_records_have_is_kept_and_what_hardly_any_has_is_not() -> None:
    records = [named(given="Anna")] * OFTEN + [named(given="Quentin")] * (OFTEN - 1)
    rows = rows_of(records)

    found = learn_file([counted(rows.normals())], rows)

    assert found.tables["given"].keys() == {"anna"}
