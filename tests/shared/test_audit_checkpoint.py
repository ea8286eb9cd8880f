"""The text of a checkpoint: one text for each checkpoint, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.audit.checkpoint import BadCheckpoint, Checkpoint

EXAMPLE = Checkpoint("custlog/example/customer", 20_852_163, bytes(range(32)), bytes(range(32, 64)))
TEXT = """custlog/example/customer
20852163
AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
heads ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=
"""

hashes = st.binary(min_size=32, max_size=32)
origins = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)


def test_the_text_of_a_checkpoint_is_known_for_ever() -> None:
    assert EXAMPLE.text == TEXT
    assert Checkpoint.parse(TEXT) == EXAMPLE


@given(origins, st.integers(0, 2**63 - 1), hashes, hashes)
def test_a_checkpoint_parses_to_what_was_written(origin: str, size: int, root: bytes, heads: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root, heads)

    assert Checkpoint.parse(checkpoint.text) == checkpoint


@given(st.data())
def test_an_altered_text_is_refused_or_is_another_checkpoint(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT)))
    altered = TEXT[:at] + data.draw(st.text(max_size=2)) + TEXT[at + data.draw(st.integers(0, 2)) :]

    try:
        checkpoint = Checkpoint.parse(altered)
    except BadCheckpoint:
        return
    assert checkpoint.text == altered


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("custlog/example/customer", ""),
        ("custlog/example/customer", "a log"),
        ("custlog/example/customer", "a+log"),
        ("custlog/example/customer", "a\u2028log"),
        ("20852163", ""),
        ("20852163", "020852163"),
        ("20852163", "+20852163"),
        ("20852163", "-1"),
        ("20852163", "2085_2163"),
        ("20852163", "\u0662"),
        ("20852163", str(2**63)),
        ("20852163", "1" * 5000),
        ("AAEC", "AAEC\n"),
        ("GBkaGxwdHh8=", "GBkaGxwdHh9="),
        ("GBkaGxwdHh8=", "GBkaGxwdHh8"),
        ("GBkaGxwdHh8=", "GBkaGxwdHh8fHw=="),
        ("GBkaGxwdHh8=", "GBkaGxwdHg=="),
        ("heads ", "heads  "),
        ("heads ", "Heads "),
        ("heads ", ""),
        ("8=\nheads", "8=\n\nheads"),
        ("8=\nheads", "8=\nother line\nheads"),
        ("Pj8=\n", "Pj8="),
        ("Pj8=\n", "Pj8=\nother line\n"),
        ("Pj8=\n", "Pj8=\r\n"),
    ],
)
def test_a_text_that_is_not_exactly_ours_is_refused(line: str, instead: str) -> None:
    assert line in TEXT

    with pytest.raises(BadCheckpoint):
        Checkpoint.parse(TEXT.replace(line, instead))


@pytest.mark.parametrize(
    ("origin", "size", "root", "heads"),
    [
        ("", 1, bytes(32), bytes(32)),
        ("two\nlines", 1, bytes(32), bytes(32)),
        ("o", -1, bytes(32), bytes(32)),
        ("o", 2**63, bytes(32), bytes(32)),
        ("o", 1, bytes(31), bytes(32)),
        ("o", 1, bytes(32), bytes(33)),
    ],
)
def test_a_checkpoint_that_has_no_text_is_not_made(origin: str, size: int, root: bytes, heads: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint(origin, size, root, heads)
