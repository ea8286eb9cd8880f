"""A subscription kept alive: it joins when a broker answers, and joins anew when its Kafka client has died within."""

from __future__ import annotations

import asyncio

from shared.interruption import contained
from shared.log import get_logger
from shared.subscription import Subscription

_FIRST_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 5.0

_log = get_logger(__name__)


async def follow(subscription: Subscription) -> None:
    """Runs until cancelled, through every failure; the subscription is then still to be stopped."""
    while True:
        await _join(subscription)
        await subscription.leave(await subscription.deaf())


async def _join(subscription: Subscription) -> None:
    delay = _FIRST_BACKOFF_SECONDS
    while True:
        try:
            return await contained(subscription.start())
        except Exception as error:  # noqa: BLE001 - whatever the Kafka client raises, a broker may answer later
            _log.warning("waiting for kafka", error=type(error).__name__, retry_in=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
