"""Bugs in who is who: numbers, links, separations, and whose id an identity has."""

from __future__ import annotations

from tests.faults.plants.plant import Edit, Plant

_SERVICE = ("identity",)
_TARGET = "target, joining = min(ours, theirs), max(ours, theirs)"

PLANTS = (
    Plant(
        "number-assigned-twice",
        "Whether a customer has its number is looked at once per batch: one that is registered and changed in the same "
        "batch gets two.",
        _SERVICE,
        (
            Edit(
                "services.identity.batch:_Decision.take",
                {"if draft.is_new and customer not in self.state.identity_of:": "if draft.is_new:"},
            ),
        ),
        ("kill", "stop", "restart"),
        ("I5", "I12"),
        rate=40.0,
        needs="a backlog of the identity service with changes of evidence soon after a registration",
    ),
    Plant(
        "serials-overlap",
        "The first serial of a batch is the last one of the batch before, and numbers are no longer reserved.",
        _SERVICE,
        (
            Edit(
                "services.identity.number_store:counters",
                {'int(row["next"])': 'max(1, int(row["next"]) - 1)'},
            ),
            Edit("services.identity.batch:_Decision.take", {"[assigned], key_of(assigned.number)": "[assigned]"}),
        ),
        (),
        ("I5",),
    ),
    Plant(
        "link-takes-one-along",
        "When two identities join, only the customer that is named moves; the others of its identity stay behind.",
        _SERVICE,
        (
            Edit(
                "services.identity.domain:link",
                {"sorted(state.members[joining])": "sorted(state.members[joining] & {a, b})"},
            ),
        ),
        (),
        ("I6", "I4"),
        needs="merges of customers that were merged before",
    ),
    Plant(
        "link-one-way",
        "A link is remembered as it was said instead of the older customer first, so a separation does not find the "
        "links of the other direction.",
        _SERVICE,
        (
            Edit(
                "services.identity.domain:evolve",
                {"state.links.add(pair(event.a, event.b))": "state.links.add((event.a, event.b))"},
            ),
            Edit("services.identity.batch:_append", {"links[pair(event.a, event.b)]": "links[event.a, event.b]"}),
            Edit(
                "services.identity.application:_positions",
                {"pair(event.a, event.b): position": "(event.a, event.b): position"},
            ),
            Edit(
                "services.identity.domain:separate",
                {"if a not in link)": "if a not in link and link[0] < link[1])"},
            ),
        ),
        (),
        ("I6",),
        needs="separations from identities of three or more",
    ),
    Plant(
        "separation-forgets-ban",
        "A separation leaves no ban, so the next change of either customer's evidence links them again.",
        _SERVICE,
        (
            Edit(
                "services.identity.domain:evolve",
                {"state.bans |= {pair(event.a, other) for other in rest}": "state.bans = set(state.bans)"},
            ),
        ),
        (),
        ("I6",),
        needs="links, by rule or by hand, of customers that were separated",
    ),
    Plant(
        "larger-identity-keeps-its-id",
        "Of two identities that join the one with more members keeps its id, not the one of the oldest customer: the "
        "result depends on the order of the merges.",
        _SERVICE,
        (
            Edit(
                "services.identity.domain:link",
                {_TARGET: "target, joining = sorted((ours, theirs), key=lambda one: -len(state.members[one]))"},
            ),
        ),
        (),
        ("I6", "I5"),
        needs="merges",
    ),
)
