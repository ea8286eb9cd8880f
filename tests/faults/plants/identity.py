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
                "services.identity.domain.identities:link",
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
                "services.identity.domain.identities:_linked",
                {"linked = pair(event.a, event.b)": "linked = (event.a, event.b)"},
            ),
            Edit(
                "services.identity.decision_store:changes_of",
                {"changes.links[pair(event.a, event.b)]": "changes.links[event.a, event.b]"},
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
                "services.identity.domain.identities:evolve",
                {"holds |= pairs": 'holds |= pairs if event.says == "same" else set()'},
            ),
            Edit(
                "services.identity.decision_store:changes_of",
                {"case events.Asserted():": 'case events.Asserted(says="same"):'},
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
                "services.identity.domain.identities:link",
                {_TARGET: "target, joining = sorted((ours, theirs), key=lambda one: -len(state.members[one]))"},
            ),
        ),
        (),
        ("I6", "I5"),
        needs="merges",
    ),
)
