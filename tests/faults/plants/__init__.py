"""Known bugs that a storm plants one at a time, to show that the harness catches them: `PLANTS[name].apply()`.

Every plant is a small change of the text of production code, made in the process of a service when it starts. Nothing
of this package is ever imported by production code.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults.plants import consumer, edge, identity, log, notifications, privacy, relay, views
from tests.faults.plants.plant import Edit, Gone, Plant

__all__ = ["PLANTS", "Edit", "Gone", "Plant"]

_MODULES = (log, relay, consumer, views, identity, notifications, privacy, edge)

PLANTS: Mapping[str, Plant] = {plant.name: plant for module in _MODULES for plant in module.PLANTS}
"""Name -> bug. Two of one name are a mistake that a test finds."""
