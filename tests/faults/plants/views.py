"""Bugs in making the views: folds, the working set, and the transaction that writes documents with their positions."""

from __future__ import annotations

from tests.faults.plants.plant import Edit, Plant

_SERVICE = ("projections",)
_TAKE = "services.projections.application:Application._take"
_ADVANCE = "    await inbox.advance(session, batch.positions)\n"
_APPLY = "    batch = await self._apply("

PLANTS = (
    Plant(
        "views-no-dedupe",
        "The views fold every record they get, also those whose position they have done.",
        _SERVICE,
        (
            Edit(
                _TAKE,
                {
                    _APPLY: "    given = [s for s in sources if s.reason is None and s.key not in blocked]\n"
                    "    batch = Plan(given, batch.park, batch.positions, 0, batch.holes)\n" + _APPLY
                },
            ),
            # Otherwise the second insert of a timeline entry shows the bug at once.
            Edit(
                "services.projections.store:Store.write",
                {
                    "[InsertOne(document) for document in changes.inserts]": "[\n"
                    '            ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in changes.inserts\n        ]'
                },
            ),
        ),
        ("crash", "kill", "topic_deleted"),
        ("I4",),
        needs="relays that publish a batch twice",
    ),
    Plant(
        "views-position-first",
        "The positions of a batch are written outside its MongoDB transaction, before it: a batch that fails or is "
        "tried again is taken for done.",
        _SERVICE,
        (Edit(_TAKE, {_ADVANCE: "", _APPLY: "    await inbox.advance(None, batch.positions)\n" + _APPLY}),),
        ("crash", "kill", "reset", "restart"),
        ("I4",),
    ),
    Plant(
        "views-position-apart",
        "The positions of a batch are written after its MongoDB transaction instead of in it: a crash between them "
        "folds the batch twice.",
        _SERVICE,
        (
            Edit(_TAKE, {_ADVANCE: ""}),
            Edit(
                "services.projections.application:Application._take_part",
                {
                    '    crash_here("views.after_commit")\n': '    crash_here("views.after_commit")\n'
                    "    await self.store.inbox.advance(None, done.positions)\n"
                },
            ),
        ),
        ("crash", "kill", "reset"),
        ("I4", "I12"),
    ),
    Plant(
        "timeline-inserted-apart",
        "New documents are inserted outside the MongoDB transaction, so an aborted batch leaves them and meets them "
        "again when it is repeated.",
        _SERVICE,
        (
            Edit(
                "services.projections.store:Store.write",
                {
                    "        writes: list[Any] = [InsertOne(document) for document in changes.inserts]\n": ""
                    "        if changes.inserts:\n"
                    "            await self.database[name].insert_many(changes.inserts)\n"
                    "        writes: list[Any] = []\n"
                },
            ),
        ),
        ("crash:views.before_commit", "kill:mongo", "reset:mongo"),
        ("I12", "I4"),
    ),
    Plant(
        "batch-loses-its-first",
        "The views leave out the first record of every batch of more than one.",
        _SERVICE,
        (
            Edit(
                "services.projections.application:Application._apply",
                {"decoded.of(batch.apply)": "decoded.of(batch.apply[len(batch.apply) > 1 :])"},
            ),
        ),
        (),
        ("I4",),
    ),
    Plant(
        "fold-forgets-payments",
        "The customer view forgets one type of event: a payment is not counted.",
        _SERVICE,
        (
            Edit(
                "services.projections.views.member_dealings:_order_paid",
                {'_count_order(member, "paid", event)': "member.setdefault('orders', None)"},
            ),
        ),
        (),
        ("I4",),
        needs="orders that are paid",
    ),
    Plant(
        "directory-keeps-archived",
        "The directory does not notice that a customer was archived.",
        _SERVICE,
        (
            Edit(
                "services.projections.views.directory:_archived",
                {'member["archived"] = True': 'member["archived"] = bool(member["archived"])'},
            ),
        ),
        (),
        ("I4",),
        needs="archived customers",
    ),
    Plant(
        "last-move-read-wins",
        "Of two moves of a customer the one that is read last holds, not the one with the higher position.",
        _SERVICE,
        (
            Edit(
                "services.projections.views.membership:_move",
                {'if position <= member["since"]:': 'if position == member["since"]:'},
            ),
        ),
        ("stop", "kill", "mongo_wiped"),
        ("I4", "I6"),
        needs="merges and separations of the same customers, and a backlog over several partitions",
    ),
    Plant(
        "moved-twice",
        "A customer who leaves an identity stays a member of its document too.",
        _SERVICE,
        (
            Edit(
                "services.projections.views.membership:_move",
                {'    document["members"].remove(member)\n': "    member = dict(member)\n"},
            ),
        ),
        (),
        ("I4", "I6"),
        needs="merges",
    ),
)
