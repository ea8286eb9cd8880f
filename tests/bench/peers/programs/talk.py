"""The program's side of the talk. Standard library only: it runs in any environment of Python."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Operations = Mapping[str, Callable[..., dict[str, Any]]]


class Missing(Exception):
    """This store has no such thing. Fate: the reason is told to the bench."""


def serve(operations: Operations) -> None:
    """Answers every request, until standard input ends. A failed one is answered with its reason."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = operations[request.pop("op")](**request)
        except Missing as missing:
            answer = {"missing": str(missing)}
        except Exception as error:  # noqa: BLE001 - the bench goes on without this figure and says why
            traceback.print_exc()
            answer = {"missing": f"it failed: {type(error).__name__}: {str(error)[:200]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    if not seconds:
        raise Missing("nothing was finished in the time")
    ordered = sorted(seconds)
    return {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000
        for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99))
    }
