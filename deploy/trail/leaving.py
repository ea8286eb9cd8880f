"""The one way of the trail's rows into a file: recorded first, then written under the watermark of that record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.embedded.home import Home
from deploy.exporting import record
from deploy.trail import export
from shared.access.exports import Export
from shared.access.journal import Access


def leave(
    home: Home,
    access: Access,
    leaving: Export,
    rows: Iterable[Mapping[str, Any]],
    *,
    into: Path,
    columns: Sequence[str],
) -> str:
    """Answers the watermark that the file carries. Raises Unavailable (retry), or EmbeddedError: then there is no file.

    Where the file could not be written after all, the access log has an export that nobody got.
    """
    mark = asyncio.run(record(home, access, leaving))
    export.write(into, rows, columns, mark)
    return mark
