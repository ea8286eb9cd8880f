from __future__ import annotations

import numpy as np
import pytest

from services.identity.matching.calibrate import TooFewLabels, calibrate, labelled
from services.identity.matching.model import Model, shipped
from services.identity.matching.record import Normal
from tests.identity.matching.people import named

MODEL = shipped()


def weight(model: Model, field: str, level: str) -> int:
    return next(
        found.weight for one in model.fields if one.name == field for found in one.levels if found.name == level
    )


def pairs(*, same: bool) -> list[tuple[Normal, Normal, bool]]:
    """Pairs that agree in name and birth date and differ in the phone."""
    return [
        (named(birth="1980-02-03", phone="+49 30 5550101"), named(birth="1980-02-03", phone="+49 30 7770909"), same)
    ]


def test_labels_move_a_weight_the_way_they_point() -> None:
    others = [(named(), named(given="Robert"), False)] * 20
    yes = calibrate(labelled([*(pairs(same=True) * 20), *others], MODEL), MODEL)
    no = calibrate(labelled([*(pairs(same=False) * 20), (named(), named(), True)], MODEL), MODEL)

    assert weight(yes, "phone", "differ") >= weight(MODEL, "phone", "differ") > weight(no, "phone", "differ")


def test_what_the_labels_do_not_speak_of_stays() -> None:
    found = calibrate(labelled([*(pairs(same=True) * 5), (named(), named(given="Robert"), False)], MODEL), MODEL)

    assert weight(found, "company", "exact") == weight(MODEL, "company", "exact")
    assert found.merge == MODEL.merge


@pytest.mark.parametrize("same", [True, False])
def test_labels_of_one_kind_alone_are_refused(same: bool) -> None:
    with pytest.raises(TooFewLabels, match="both"):
        calibrate(labelled(pairs(same=same), MODEL), MODEL)


def test_the_same_labels_give_the_same_model() -> None:
    data = labelled([*pairs(same=True), (named(), named(given="Robert"), False)], MODEL)

    assert calibrate(data, MODEL) == calibrate(data, MODEL)
    assert data.same.dtype == np.bool_
