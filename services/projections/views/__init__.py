"""The views, one per file, and the visible table of them."""

from collections.abc import Mapping

from services.projections.views.agenda import AGENDA
from services.projections.views.customer import CUSTOMER
from services.projections.views.directory import DIRECTORY
from services.projections.views.numbers import NUMBERS
from services.projections.views.pulse import PULSE
from services.projections.views.timeline import TIMELINE
from services.projections.views.view import View

VIEWS: Mapping[str, View] = {view.name: view for view in (CUSTOMER, TIMELINE, DIRECTORY, NUMBERS, AGENDA, PULSE)}
