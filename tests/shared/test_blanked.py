"""A record whose ciphertexts were taken out of the log: it is read as erased, also by who has the key, and proved."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.audit.leaf import blank, leaf_data
from shared.eventlog.mapper import open_record, parse
from shared.events.envelope import Erased
from shared.privacy.sealing import DataKey
from tests.support.audit import StoredLogs, data_key
from tests.support.logs import registered

CUSTOMER = "01993f0a-0000-7000-8000-000000000001"
KEYS = {CUSTOMER: DataKey(CUSTOMER, "1", AESGCM(data_key(CUSTOMER)))}


def stored() -> bytes:
    (record,) = StoredLogs().tell(CUSTOMER, registered()).records["customer"]
    return record


def test_a_blanked_record_reads_as_erased_though_the_key_is_there() -> None:
    whole = open_record(parse(stored()), KEYS)
    blanked = open_record(parse(blank(1, stored())), KEYS)

    assert not isinstance(whole.data.name, Erased)  # type: ignore[attr-defined]
    assert isinstance(blanked.data.name, Erased)  # type: ignore[attr-defined]
    assert blanked.data.source == "crm"  # type: ignore[attr-defined]


def test_a_blanked_record_has_the_leaf_that_it_always_had() -> None:
    record = stored()
    assert blank(1, record) != record
    assert leaf_data(1, "", blank(1, record)) == leaf_data(1, "", record)
