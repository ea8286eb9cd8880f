"""The views watched: each holds what the fold of the logs says, byte for byte."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from deploy import replay
from deploy.client import running_state
from deploy.embedded.home import Home
from deploy.history import open_history
from deploy.monitor.alarm import Alarm
from services.projections.fold import Difference

LOOKS = 4
PAUSE_SECONDS = 2.0


class ViewWatch:
    """Needs the system's keys of personal data, since views hold it. Reads all logs at each look."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def look(self) -> list[Alarm]:
        """What differs in the same way at several looks in a row, so that a view which is only behind is no alarm.

        Raises EmbeddedError, psycopg.Error, PyMongoError (retry).
        """
        lasting: set[Difference] | None = None
        for attempt in range(LOOKS):
            if attempt:
                await asyncio.sleep(PAUSE_SECONDS)
            with open_history(self._home) as history:
                found = set((await replay.check(history, running_state(self._home))).differences)
            lasting = found if lasting is None else lasting & found
            if not lasting:
                return []
        by_view: dict[str, list[Difference]] = defaultdict(list)
        for difference in sorted(lasting or (), key=lambda each: (each.view, each.id)):
            by_view[difference.view].append(difference)
        return [_alarm(view, found) for view, found in by_view.items()]


def _alarm(view: str, found: list[Difference]) -> Alarm:
    first = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    sentence = f"the view {view} is not the fold of the log: document {first.id} is {first.how}{more}"
    return Alarm("view", view, sentence, by="the fold of the log")
