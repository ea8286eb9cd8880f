"""Bugs in following the topics into PostgreSQL, and in what all consumers share: positions, holes, parked records."""

from __future__ import annotations

from tests.faults.plants.plant import CONSUMERS, Edit, Plant

FOLLOWERS = (*CONSUMERS, "projections")
_TAKE = "shared.consumer:Consumer._take"
_SETTLE = "        batch, results = self._settle("
_ADVANCE = "        self._inbox.advance(tx.cursor, batch.positions)\n"
_BLIND = Edit("shared.streaming:_Place._fate", {"source.prev > self.at or other_epoch": "source.prev < 0"})
_COMMITTED = Edit(
    "shared.subscription:Subscription.on_partitions_assigned",
    {
        "offset = (offsets.get((tp.topic, tp.partition)) or 0) - 1": "offset = await consumer.committed(tp) or 0",
        "if 0 <= offset < ends[tp]:": "if 0 <= offset <= ends[tp]:",
    },
)
APPLY_ALL = Edit(
    _TAKE,
    {
        _SETTLE: "        given = [s for s in sources if s.reason is None and s.key not in blocked]\n"
        "        batch = Plan(given, batch.park, batch.positions, 0, batch.holes)\n" + _SETTLE
    },
)
"""Without any regard to positions."""

PLANTS = (
    Plant(
        "consumer-no-dedupe",
        "The PostgreSQL consumers apply every record they get, also those whose position they have done, and a "
        "registration is numbered whenever it is applied.",
        CONSUMERS,
        (
            APPLY_ALL,
            Edit(
                "services.identity.batch:_Decision.take",
                {
                    "if draft.is_new and customer not in self.state.identity_of:": "if event.type == "
                    '"customer.registered":'
                },
            ),
        ),
        ("crash", "kill", "topic_deleted"),
        ("I5", "I11"),
        needs="relays that publish a batch twice",
    ),
    Plant(
        "consumer-position-first",
        "The position of a batch is committed before its effect, so a crash between them loses the effect.",
        CONSUMERS,
        (
            Edit(
                _TAKE,
                {
                    _ADVANCE: "",
                    _SETTLE: f"{_ADVANCE}"
                    "    crash_here('consumer.after_commit')\n"
                    "    with self._log.transaction() as tx:\n"
                    f"        tx.lock()\n{_SETTLE}",
                },
            ),
        ),
        ("crash", "kill", "reset", "black_hole"),
        ("I11", "I5", "I7"),
    ),
    Plant(
        "acknowledged-first",
        "A batch that failed is tried again with its exception swallowed: only its positions move, nothing of it is "
        "applied.",
        CONSUMERS,
        (
            Edit(
                "shared.consumer:Consumer.handle",
                {
                    "parse_sources(records)))": "parse_sources(records)))\n    finally:\n        self._decoder = given",
                    "    return await": "    given = self._decoder\n"
                    "    try:\n"
                    "        return await self._log.in_thread(partial(self._take, parse_sources(records)))\n"
                    "    except Unavailable:\n"
                    "        self._decoder = Decoder(lambda _: False)\n"
                    "    try:\n"
                    "        return await",
                },
            ),
        ),
        ("reset", "half_close", "kill", "restart"),
        ("I5", "I11"),
        rate=40.0,
    ),
    Plant(
        "hole-ignored",
        "A consumer that misses records before the next one goes on, and drops the missing ones as duplicates when "
        "they come at last.",
        FOLLOWERS,
        (_BLIND,),
        ("topic_deleted", "restore"),
        ("I4", "I11", "I5"),
        needs="a topic that loses records before all consumers have read them",
    ),
    Plant(
        "rewind-forgotten",
        "A consumer that has to read a partition again from its beginning stays where it is.",
        FOLLOWERS,
        (
            Edit(
                "shared.subscription:Subscription.rewind",
                {"await consumer.seek_to_beginning(tp)": "consumer.seek(tp, await consumer.position(tp))"},
            ),
        ),
        ("mongo_wiped", "topic_deleted"),
        ("I4", "I12"),
    ),
    Plant(
        "kafka-commits-first",
        "The group's offset is committed before the batch is handled and gone on from after a restart, and a hole goes "
        "unseen: a batch in hand is lost with its process.",
        FOLLOWERS,
        (
            _COMMITTED,
            _BLIND,
            Edit(
                "shared.subscription:Subscription.consume",
                {
                    "    self._idle.clear()\n": "    self._idle.clear()\n"
                    "    if self.consumer is not None:\n"
                    "        with contextlib.suppress(KafkaError):\n"
                    "            await self.consumer.commit(\n"
                    "                {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}\n"
                    "            )\n"
                },
            ),
        ),
        ("crash", "kill", "stop"),
        ("I4", "I11", "I5", "I7"),
    ),
    Plant(
        "unreadable-dropped",
        "A record that cannot be read is passed over instead of parked, and so is forgotten.",
        FOLLOWERS,
        (
            Edit(
                "shared.decoding:Decoded.park_failures",
                {
                    "batch = batch.parking(source, self.failures[place(source)])": "batch = Plan(\n"
                    "                [other for other in batch.apply if other is not source],\n"
                    "                batch.park, batch.positions, batch.duplicates, batch.holes,\n"
                    "            )"
                },
            ),
        ),
        ("unknown_version",),
        ("I11", "I4"),
    ),
    Plant(
        "forged-believed",
        "Whatever code a record carries is taken for the right one, so what somebody else put on a topic is applied.",
        FOLLOWERS,
        (
            Edit(
                "shared.authenticity:Authenticator.doubt",
                {"return NO_MAC": "return None", "hmac.compare_digest(code, right)": "True"},
            ),
        ),
        ("garbage",),
        ("I11", "I4"),
    ),
    Plant(
        "parked-key-not-held",
        "The later records of a customer whose record is parked are applied, out of their order.",
        FOLLOWERS,
        (
            Edit("shared.inbox:Inbox.blocked", {"return {key": "return set() and {key"}),
            Edit("shared.inbox_mongo:MongoInbox.blocked", {"return set(": "return set() and set("}),
        ),
        ("unknown_version",),
        ("I11", "I4"),
        needs="later events of the customers whose record is parked",
    ),
    Plant(
        "park-keeps-first",
        "Of the records of one batch that have to be parked only the first is kept.",
        FOLLOWERS,
        (
            Edit("shared.inbox:Inbox.park", {"for p in records\n": "for p in records[:1]\n"}),
            Edit("shared.inbox_mongo:MongoInbox.park", {"enumerate(records, first)": "enumerate(records[:1], first)"}),
        ),
        ("unknown_version",),
        ("I11", "I4"),
        needs="later events of the customers whose record is parked",
    ),
    Plant(
        "batch-loses-its-last",
        "The PostgreSQL consumers leave out the last record of every batch of more than one.",
        CONSUMERS,
        (
            Edit(
                "shared.consumer:Consumer._settle",
                {"decoded.of(batch.apply)": "decoded.of(batch.apply[: max(1, len(batch.apply) - 1)])"},
            ),
        ),
        (),
        ("I11", "I5", "I7"),
        needs="a backlog, after an import or an outage, so that batches have several records",
    ),
)
