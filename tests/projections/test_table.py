"""The table of views as a whole: every type and every sealed field has its decision."""

import pytest

from services.projections.views import VIEWS
from services.projections.views.view import View
from shared.access.levels import Level
from shared.events.catalogue import NEWEST

each_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())


@each_view
def test_a_view_folds_or_ignores_every_type_of_the_catalogue(view: View) -> None:
    assert set(view.folds) | view.ignored == set(NEWEST)
    assert not set(view.folds) & view.ignored


@each_view
def test_a_view_decides_about_every_sealed_field_it_gets_to_see(view: View) -> None:
    seen = {f"{name}.{field}" for name in view.folds for field in NEWEST[name].SEALED}
    assert set(view.levels) == seen


@each_view
def test_core_fields_are_never_open(view: View) -> None:
    core = {
        f"{contract.TYPE}.{field}"
        for contract in NEWEST.values()
        for field, level in contract.LEVELS.items()
        if level is Level.CORE
    }
    assert not {field for field, decision in view.levels.items() if decision == "open"} & core


def test_names_and_versions_make_collection_names() -> None:
    assert all(view.name == name and view.prefix == f"{name}__v{view.version}_" for name, view in VIEWS.items())
