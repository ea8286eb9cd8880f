"""How much goes into one MongoDB transaction: what its cache cannot hold is done in parts."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pymongo.errors import PyMongoError

from shared.log import get_logger
from shared.mongo import outgrew_cache
from shared.streaming import Source

T = TypeVar("T")

_log = get_logger(__name__)


class Portions:
    """Cuts batches into what MongoDB takes at once, and remembers how much that is.

    MongoDB refuses a transaction whose changes fill a good part of its cache, each time anew: with a large base or a
    small cache the same batch would be tried for ever.
    """

    def __init__(self) -> None:
        self.most = sys.maxsize

    async def each(self, sources: Sequence[Source], work: Callable[[Sequence[Source]], Awaitable[T]]) -> list[T]:
        """What `work` answers for each part, one after the other. A part that is too much is halved.

        Raises what `work` raises; the parts before are done then, so it must know a repeated record.
        """
        done: list[T] = []
        start = 0
        while start < len(sources) or not done:
            part = sources[start : start + self.most]
            try:
                done.append(await work(part))
            except PyMongoError as refused:
                if len(part) < 2 or not outgrew_cache(refused):
                    raise
                self.most = len(part) // 2
                _log.warning("transaction outgrew the cache of MongoDB", records=len(part), from_now_on=self.most)
            else:
                start += len(part)
        return done
