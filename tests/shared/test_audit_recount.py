"""Records read again are compared with what was promised: every way of altering a log is told, and where."""

from collections.abc import Callable

import orjson
import pytest

from shared.audit.checkpoint import Checkpoint
from shared.audit.heads import HeadTree
from shared.audit.leaf import leaves, link
from shared.audit.recount import Broken, Raw, Recount, bucket_hashes, cut
from shared.audit.tiles import edge, grow, root

Rows = list[Raw]
SIZE = 700


def stored(number: int, text: str = "") -> bytes:
    customer, stream = f"c{number % 7}", f"order-{number % 13}"
    record = {"customer": customer, "data": {"n": number, "text": text}, "sealed": {}, "seq": number, "stream": stream}
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def rows(size: int = SIZE) -> Rows:
    return [Raw(position, stored(position)) for position in range(1, size + 1)]


def renumbered(history: Rows) -> Rows:
    return [Raw(position, row.stored) for position, row in enumerate(history, start=1)]


def hashes_of(history: Rows) -> list[bytes]:
    return [leaf.hash for leaf in leaves([link(*row) for row in history], {})]


def checkpoint_of(history: Rows) -> Checkpoint:
    recount = Recount()
    recount.take(history)
    tiles = grow(0, {}, hashes_of(history))
    return Checkpoint("custlog/test/customer", len(history), root(len(history), lambda _: tiles), map_of(recount))


def map_of(recount: Recount) -> bytes:
    return HeadTree(bucket_hashes(recount.heads)).root


def test_an_untouched_log_is_what_its_checkpoints_promised() -> None:
    history = rows()
    recount = Recount()
    for part in cut(history, [3, 256, 300, SIZE]):
        recount.take(part, hashes_of(history)[recount.size : recount.size + len(part)])
        if recount.size in (3, 256, 300, SIZE):
            recount.check_root(checkpoint_of(history[: recount.size]))
    recount.check_heads(checkpoint_of(history))
    assert recount.size == SIZE


def test_a_recount_goes_on_from_a_believed_checkpoint() -> None:
    history = rows()
    first = Recount()
    first.take(history[:300])
    tiles = grow(0, {}, hashes_of(history[:300]))
    recount = Recount(300, {tile: tiles[tile] for tile in edge(300)}, first.heads)
    recount.take(history[300:])
    recount.check_root(checkpoint_of(history))
    recount.check_heads(checkpoint_of(history))


def edited(history: Rows) -> Rows:
    return [*history[:99], Raw(100, stored(100, "other")), *history[100:]]


def one_bit(history: Rows) -> Rows:
    flipped = history[99].stored.replace(b'"n":100', b'"n":101')
    return [*history[:99], Raw(100, flipped), *history[100:]]


def deleted_and_closed_up(history: Rows) -> Rows:
    return renumbered(history[:99] + history[100:])


def inserted(history: Rows) -> Rows:
    return renumbered([*history[:99], Raw(0, stored(5, "new")), *history[99:]])


def reordered(history: Rows) -> Rows:
    return renumbered([*history[:99], history[100], history[99], *history[101:]])


def other_stream(history: Rows) -> Rows:
    moved = history[99].stored.replace(b"order-9", b"order-8")
    assert moved != history[99].stored
    return [*history[:99], Raw(100, moved), *history[100:]]


@pytest.mark.parametrize(
    "alter", [edited, one_bit, deleted_and_closed_up, inserted, reordered, other_stream], ids=lambda it: it.__name__
)
def test_an_altered_record_is_told_by_its_position(alter: Callable[[Rows], Rows]) -> None:
    history = rows()
    recount = Recount()
    with pytest.raises(Broken, match="position 100 was altered") as found:
        recount.take(alter(history)[: len(history)], hashes_of(history))
    assert (found.value.first, found.value.last) == (100, 100)


def test_records_that_are_gone_are_told_by_their_positions() -> None:
    history = rows()
    with pytest.raises(Broken, match="records 100 to 101 are missing"):
        Recount().take(history[:99] + history[101:])
    with pytest.raises(Broken, match="the record at position 700 is missing"):
        Recount().take([*history[:699], Raw(701, b"")])


def test_a_record_that_is_none_is_told_by_its_position() -> None:
    history = rows()
    history[99] = Raw(100, b'{"a": 1}')
    with pytest.raises(Broken, match="at position 100") as found:
        Recount().take(history)
    assert found.value.first == 100


def test_a_history_rewritten_with_all_its_hashes_is_told_by_the_checkpoints_around_it() -> None:
    history = rows()
    forged = edited(history)
    recount = Recount()
    recount.take(forged[:99], hashes_of(forged)[:99])
    recount.check_root(checkpoint_of(history[:99]))
    recount.take(forged[99:200], hashes_of(forged)[99:200])
    with pytest.raises(Broken, match="positions 100 to 200 are not the history") as found:
        recount.check_root(checkpoint_of(history[:200]))
    assert (found.value.first, found.value.last) == (100, 200)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_checkpoints_of_one_size_the_one_that_fits_narrows_nothing(order: int) -> None:
    history = rows()
    forged = edited(history)
    recount = Recount()
    recount.take(forged[:200])
    both = [checkpoint_of(forged[:200]), checkpoint_of(history[:200])]
    with pytest.raises(Broken, match="positions 1 to 200 are not the history") as found:
        recount.check_root(*both[::order])
    assert (found.value.first, found.value.last) == (1, 200)


def test_a_map_that_hides_a_record_is_told() -> None:
    history = rows()
    hidden = checkpoint_of(history[:-1])
    whole = checkpoint_of(history)
    recount = Recount()
    recount.take(history)
    with pytest.raises(Broken, match="map of heads"):
        recount.check_heads(Checkpoint(whole.origin, whole.size, whole.root, hidden.heads))
