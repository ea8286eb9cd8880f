"""Records as events: which is which, whatever the topic did in the meantime."""

from __future__ import annotations

from shared.decoding import Decoder
from shared.inbox import ParkedRecord, plan_again
from tests.support.customer_topic import CustomerTopic
from tests.support.logs import registered
from tests.support.memory_log import MemoryKeyring

CUSTOMER = "01990000-0000-7000-8000-000000000001"


def test_parked_records_that_stood_at_one_offset_before_and_after_a_topic_was_made_anew_stay_two() -> None:
    keyring = MemoryKeyring()
    topic = CustomerTopic(keyring)
    values = [topic.record(CUSTOMER, registered(full)).value for full in ("Ann Lee", "Ann Ray")]
    parked = [
        ParkedRecord("customer.events/0", position, 3, CUSTOMER, "it failed", value or b"")
        for position, value in enumerate(values, start=8)
    ]

    batch = plan_again(parked)
    events = Decoder().decode(batch.apply, keyring).of(batch.apply)

    assert [(event.position, event.seq) for event in events] == [(8, 1), (9, 2)]
