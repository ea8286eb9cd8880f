"""Plants every bug in a process of its own and prints, as JSON, why the planting failed or made no difference.

{"<plant>": null | "<sentence>"}; null where all is well.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import warnings
from multiprocessing.connection import Connection

import services.customer.main
import services.identity.main
import services.notifications.main
import services.projections.main  # noqa: F401 - all modules are there before the first process is made
from tests.faults.plants import PLANTS, Gone, Plant
from tests.faults.plants.trials import consumer, log, relay
from tests.faults.plants.trials import services as of_services  # noqa: F401 - they register their experiments
from tests.faults.plants.trials.trial import TRIALS

__all__ = ["consumer", "log", "relay"]


def _try(plant: Plant, answer: Connection) -> None:
    # What production code logs is not what is asked for here.
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    trial = TRIALS.get(plant.name)
    try:
        before = repr(trial()) if trial else ""
    except Exception as error:  # noqa: BLE001 - a broken experiment is told like any other finding
        answer.send(f"its experiment fails without it: {type(error).__name__}: {error}")
        return
    try:
        plant.apply()
        after = repr(trial()) if trial else "?"
    except Gone as gone:
        answer.send(str(gone))
    except Exception as error:  # noqa: BLE001 - as above
        answer.send(f"it does not do what it was written for: {type(error).__name__}: {error}")
    else:
        answer.send(f"it changes nothing: {after}" if before == after else None)


def main() -> None:
    warnings.simplefilter("ignore")
    fork = multiprocessing.get_context("fork")
    found: dict[str, str | None] = {}
    for name, plant in PLANTS.items():
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_try, args=(plant, theirs))
        process.start()
        theirs.close()
        try:
            found[name] = ours.recv() if ours.poll(20) else "its experiment does not end"
        except EOFError:
            found[name] = "its process ended without an answer"
        process.kill()
        process.join()
    print(json.dumps(found | dict.fromkeys(TRIALS.keys() - PLANTS.keys(), "there is no such plant")))


if __name__ == "__main__":
    main()
