"""Bugs in publishing the log: what is skipped, lost, reordered or rewritten between PostgreSQL and Kafka."""

from __future__ import annotations

from tests.faults.plants.plant import LOGS, Edit, Plant

_ADD = "shared.publication:Building.add"
_STORING = """\
                await self._commit(producer, sent)
                if storing is not None:
                    await storing
                storing = asyncio.create_task(lease.store(published))
"""
_STORED_FIRST = """\
                if storing is not None:
                    await storing
                storing = asyncio.create_task(lease.store(published))
                await storing
                await self._commit(producer, sent)
"""
_NO_TRANSACTIONAL_ID = {'transactional_id=f"relay-{self._topic}",': "acks=1,"}
# Otherwise the next relay to lead finds what is missing at the end of a partition, and makes the topic anew.
_NO_COMPARISON = Edit(
    "shared.tails:why_anew",
    {"if partition not in tails or tails[partition].position < position:": "if position < 0:"},
)

PLANTS = (
    Plant(
        "relay-reads-past-one",
        "The relay reads after the position behind the last one it published: one record is left out at every border "
        "of batches.",
        LOGS,
        (
            Edit(
                "shared.relay:Relay._read_and_build",
                {"self._source.read(published.position,": "self._source.read(published.position + 1,"},
            ),
        ),
        (),
        ("I3", "I4"),
    ),
    Plant(
        "relay-position-first",
        "The relay stores its position before Kafka has committed the batch, so a crash between them loses the batch.",
        LOGS,
        (Edit("shared.relay:Relay._lead", {_STORING: _STORED_FIRST}), _NO_COMPARISON),
        ("crash", "kill", "restart", "black_hole"),
        ("I3", "I12", "I4"),
    ),
    Plant(
        "relay-acks-one",
        "The relay sends with acks=1, outside a transaction, and does not wait for the broker's answers before it "
        "stores its position.",
        LOGS,
        (
            _NO_COMPARISON,
            Edit("shared.relay:Relay._producer", _NO_TRANSACTIONAL_ID),
            Edit("shared.relay:Relay._begin", {"    await producer.begin_transaction()\n": ""}),
            Edit(
                "shared.relay:Relay._commit",
                {"    await asyncio.gather(*sent)\n": "", "    await producer.commit_transaction()\n": ""},
            ),
        ),
        ("kill", "crash", "restart", "latency"),
        ("I3", "I4"),
        rate=60.0,
    ),
    Plant(
        "relay-unfenced",
        "Relays publish without a lease and without a transactional id, and count the stored position up by what they "
        "sent: two of them at once count twice, and the next one begins too far ahead.",
        LOGS,
        (
            _NO_COMPARISON,
            Edit("shared.lease:Lease.acquire", {"if row is not None and row[0]:": "if row is not None:"}),
            Edit(
                "shared.lease:Lease.load",
                {"    return Published(row[0],": "    self._at = row[0]\n    return Published(row[0],"},
            ),
            Edit(
                "shared.lease:Lease.store",
                {
                    "published.position, Jsonb": "published.position - vars(self).get('_at', 0), Jsonb",
                    '    crash_here("relay.after_store")': "    self._at = published.position\n"
                    '    crash_here("relay.after_store")',
                },
            ),
            Edit(
                "shared.lease:_STORE",
                {"SET position = excluded.position": "SET position = relay_position.position + excluded.position"},
            ),
            Edit("shared.relay:Relay._producer", _NO_TRANSACTIONAL_ID),
            Edit("shared.relay:Relay._begin", {"    await producer.begin_transaction()\n": ""}),
            Edit("shared.relay:Relay._commit", {"    await producer.commit_transaction()\n": ""}),
        ),
        ("second_instance", "zombie", "kill"),
        ("I3", "I4", "I12"),
    ),
    Plant(
        "relay-wrong-partition",
        "The partition is chosen by the id of the event instead of the customer, so one customer's events are spread "
        "over all partitions.",
        LOGS,
        (Edit(_ADD, {"partition_of(key, self._partitions)": "partition_of(head.id, self._partitions)"}),),
        (),
        ("I3", "I4"),
    ),
    Plant(
        "relay-rewrites-bytes",
        "The relay parses the stored bytes and writes them as JSON again instead of sending them as they are.",
        LOGS,
        (
            Edit(
                _ADD,
                {
                    "    head = _head_of(record)\n": "    import json\n    head = _head_of(record)\n"
                    "    state = json.dumps(json.loads(record.state)).encode()\n",
                    "if builder is None or builder.append(timestamp=None, key=key, value=record.state": (
                        "if builder is None or builder.append(timestamp=None, key=key, value=state"
                    ),
                    "        builder.append(timestamp=None, key=key, value=record.state": (
                        "        builder.append(timestamp=None, key=key, value=state"
                    ),
                },
            ),
        ),
        (),
        ("I3",),
    ),
    Plant(
        "relay-goes-on-after-failure",
        "A batch whose Kafka transaction fails is passed over: the relay goes on with the next one.",
        LOGS,
        (
            _NO_COMPARISON,
            Edit(
                "shared.relay:Relay._commit",
                {
                    "    await asyncio.gather(*sent)\n": "    with contextlib.suppress(Exception):\n"
                    "        async with asyncio.timeout(2):\n            await asyncio.gather(*sent)\n",
                    "    await producer.commit_transaction()\n": "    with contextlib.suppress(Exception):\n"
                    "        async with asyncio.timeout(2):\n            await producer.commit_transaction()\n",
                },
            ),
        ),
        ("black_hole", "kill", "stop", "reset"),
        ("I3", "I4", "I12"),
    ),
    Plant(
        "relay-small-batches-first",
        "The batches of one read are small and sent by size instead of in order, so a partition's later records can "
        "stand before its earlier ones.",
        LOGS,
        (
            Edit(
                _ADD,
                {"if builder is None or": "if builder is None or builder.size() > 2000 or"},
            ),
            Edit(
                "shared.relay:Relay._begin",
                {"in batch.builders": "in sorted(batch.builders, key=lambda entry: entry[1].size())"},
            ),
        ),
        ("kill", "stop"),
        ("I3", "I4", "I12"),
        rate=60.0,
        needs="a backlog of the relay, after an import or an outage",
    ),
    Plant(
        "prev-forgotten",
        "The first record of a partition in every batch names no predecessor in its `prev` header, so nobody can see "
        "that one is missing before it.",
        LOGS,
        (Edit("shared.publication:Building.__init__", {"dict(published.heads)": "{}"}),),
        (),
        ("I3",),
        needs="a checker that reads the `prev` headers; nothing else shows it by itself",
    ),
    Plant(
        "prev-lost-at-restart",
        "The stored place of the relay has no positions per partition, so after a restart the first record of each "
        "names no predecessor.",
        LOGS,
        (Edit("shared.lease:Lease.store", {"Jsonb(published.heads)": "Jsonb({})"}),),
        ("kill", "restart"),
        ("I3",),
        needs="a checker that reads the `prev` headers",
    ),
)
