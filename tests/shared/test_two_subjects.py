"""An event about two people: each of its fields reads as its own subject's key says, whoever of them was erased."""

from __future__ import annotations

from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from services.projections.views.sealed import sealed_parts
from shared.audit.leaf import blank, leaf_data
from shared.eventlog.mapper import open_record, parse
from shared.events.customer import CustomerRegistered
from shared.events.envelope import Erased
from shared.privacy.sealing import DataKey, associated_data, seal
from tests.support.audit import StoredLogs, data_key
from tests.support.events import an_id, customer_registered

ADA, BEA = an_id("ada"), an_id("bea")
KEYS = {each: DataKey(each, "1", AESGCM(data_key(each))) for each in (ADA, BEA)}
FIELDS = ("address", "birth_date", "contact_points", "identifiers", "name")
WHOLE = customer_registered(
    "Ada Example",
    "+4930123",
    birth_date="1990-05-17",
    address={"lines": ["Alley 7"]},
    identifiers=[{"type": "social", "value": "7"}],
)


def stored(of_bea: frozenset[str]) -> bytes:
    """The registration with these fields sealed for Bea, and the others for Ada."""
    (record,) = StoredLogs().tell(ADA, WHOLE).records["customer"]
    content: dict[str, Any] = orjson.loads(record)
    data = WHOLE.model_dump(mode="json")
    for subject, fields in ((ADA, set(FIELDS) - of_bea), (BEA, of_bea)):
        content["sealed"].pop(subject, None)
        if fields:
            place = associated_data(content["log"], content["stream"], content["seq"], content["type"], subject)
            part = seal(KEYS[subject], {name: data[name] for name in fields}, place)
            content["sealed"][subject] = {"key": part.key, "nonce": part.nonce, "ct": part.ct, "fields": part.fields}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


@given(of_bea=st.frozensets(st.sampled_from(FIELDS)), alive=st.frozensets(st.sampled_from((ADA, BEA))))
def test_every_field_is_its_value_or_erased_as_its_own_subject_is(
    of_bea: frozenset[str], alive: frozenset[str]
) -> None:
    record = stored(of_bea)

    event = open_record(parse(record), {subject: KEYS[subject] for subject in alive})

    assert isinstance(event.data, CustomerRegistered)
    for name in FIELDS:
        read = getattr(event.data, name)
        if (BEA if name in of_bea else ADA) in alive:
            assert read == getattr(WHOLE, name)
        else:
            assert isinstance(read, Erased)
    assert event.data.source == WHOLE.source
    assert {part["subject"] for part in sealed_parts(event)} == alive & event.sealed.keys()
    assert leaf_data(1, "", blank(1, record)) == leaf_data(1, "", record)
