"""Batches cut into what MongoDB takes at once."""

from collections.abc import Sequence

import pytest
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from services.projections.portions import Portions
from shared.streaming import Source

RECORDS = [Source("customer.events/0", "customer.events", 0, n, n + 1, n, "c", b"") for n in range(10)]
CONFLICT = OperationFailure("at the commit", 112)
TOO_LARGE = BulkWriteError({"writeErrors": [{"index": 3, "code": 388, "errmsg": ""}]})


class Server:
    """Takes so many records at once, and refuses more as it is told."""

    def __init__(self, most: int, refusal: PyMongoError) -> None:
        self.most = most
        self.refusal = refusal
        self.asked: list[int] = []
        self.taken: list[Source] = []

    async def take(self, sources: Sequence[Source]) -> int:
        self.asked.append(len(sources))
        if len(sources) > self.most:
            raise self.refusal
        self.taken += sources
        return len(sources)


@pytest.mark.parametrize("refusal", [CONFLICT, TOO_LARGE], ids=["conflict", "too large"])
async def test_a_part_that_is_too_much_is_halved_and_nothing_is_left_out(refusal: PyMongoError) -> None:
    server = Server(3, refusal)

    assert await Portions().each(RECORDS, server.take) == [2, 2, 2, 2, 2]
    assert server.taken == RECORDS


async def test_what_fits_is_remembered() -> None:
    server, portions = Server(5, CONFLICT), Portions()
    await portions.each(RECORDS, server.take)
    server.asked.clear()

    await portions.each(RECORDS, server.take)

    assert server.asked == [5, 5]


async def test_a_single_record_that_is_refused_and_other_failures_are_raised() -> None:
    with pytest.raises(OperationFailure):
        await Portions().each(RECORDS[:1], Server(0, CONFLICT).take)
    with pytest.raises(OperationFailure, match="another"):
        await Portions().each(RECORDS, Server(0, OperationFailure("another", 11600)).take)


async def test_an_empty_batch_is_worked_on_once() -> None:
    assert await Portions().each([], Server(0, CONFLICT).take) == [0]
