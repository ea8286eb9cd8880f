"""The tables of the identity service in memory: `services.identity.store`, function by function.

tests/identity/test_store_contract.py holds both to the same promises. A cursor is `Tables`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from services.identity.domain.identities import Identities, Pair, Question
from services.identity.matching import sharing
from services.identity.matching.lookup import Token
from services.identity.store import Profile

__all__ = ["Profile"]


def profiles(cursor: Any, customers: Collection[str]) -> dict[str, Profile]:
    return {customer: cursor["profiles"][customer] for customer in customers if customer in cursor["profiles"]}


def versions(cursor: Any, customers: Collection[str]) -> dict[str, int]:
    return {customer: profile.version for customer, profile in profiles(cursor, customers).items()}


def comparable(cursor: Any, after: str, limit: int) -> list[Profile]:
    found = [cursor["profiles"][customer] for customer in sorted(cursor["profiles"]) if customer > after]
    return [profile for profile in found if profile.sealed is not None and not profile.restricted][:limit]


def count_comparable(cursor: Any) -> int:
    return len(comparable(cursor, "", len(cursor["profiles"])))


def holders(cursor: Any, keys: Collection[bytes], *, spare: int = 0) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {key: [] for key in keys}
    for key, customer in sorted(cursor["evidence"]):
        if key in found and len(found[key]) <= sharing.COMMON + spare:
            found[key].append(customer)
    return found


def identities(cursor: Any, customers: Collection[str], *, with_links: bool = False) -> Identities:
    members = cursor["members"]
    wanted = {members[customer] for customer in customers if customer in members}
    everyone = {customer: identity for customer, identity in members.items() if identity in wanted}

    def among(pairs: Iterable[Pair]) -> list[Pair]:
        return [(a, b) for a, b in pairs if a in everyone and b in everyone]

    said = {ends: row.says for ends, row in cursor["assertions"].items() if ends in among(cursor["assertions"])}
    state = Identities.of(everyone.items(), bans=[ends for ends, says in said.items() if says == "never"])
    if with_links:
        state.links = set(among(cursor["links"]))
        state.strengths = {ends: cursor["weights"][ends] for ends in among(cursor["weights"])}
        state.same = {ends for ends, says in said.items() if says == "same"}
        asked = {ends: cursor["reviews"][ends] for ends in among(cursor["reviews"])}
        state.asked = {
            ends: Question(review.vector, open=review.answer is None)
            for ends, review in asked.items()
            if review.answer in (None, "unsure")
        }
    return state


def asked_with(cursor: Any, customers: Collection[str]) -> set[str]:
    doubtful = [ends for ends, review in cursor["reviews"].items() if review.answer in (None, "unsure")]
    return {other for ends in doubtful for one, other in (ends, ends[::-1]) if one in customers}


def moved(cursor: Any, customer: str) -> list[bytes]:
    events = cursor["events"].values()
    moving = [state for _, _, state, topic in events if topic.startswith(("identity.linked.", "identity.separated."))]
    return [state for state in moving if customer.encode() in state]


def evidence(cursor: Any, customers: Collection[str]) -> list[tuple[bytes, int, str]]:
    rows = sorted(cursor["evidence"].items())
    return [(key, rule, customer) for (key, customer), rule in rows if customer in customers]


def evidence_of(cursor: Any, customers: Collection[str]) -> dict[str, dict[bytes, int]]:
    found: dict[str, dict[bytes, int]] = {}
    for key, rule, customer in evidence(cursor, customers) if customers else ():
        found.setdefault(customer, {})[key] = rule
    return found


def change_evidence(
    cursor: Any, stored: Mapping[str, Mapping[bytes, int]], wanted: Mapping[str, Mapping[bytes, int]]
) -> None:
    before = {customer: stored.get(customer, {}) for customer in wanted}
    drop_evidence(cursor, [(key, one) for one, keys in before.items() for key in keys if key not in wanted[one]])
    put_evidence(
        cursor,
        [(one, {key: n for key, n in keys.items() if key not in before[one]}) for one, keys in wanted.items()],
    )


def put_profiles(cursor: Any, changed: Sequence[Profile]) -> None:
    cursor["profiles"].update((profile.customer, profile) for profile in changed)


def put_version(cursor: Any, customer: str, version: int) -> None:
    known: Profile = cursor["profiles"][customer]
    cursor["profiles"][customer] = Profile(customer, version, known.sealed, known.restricted)


def put_versions(cursor: Any, versions: Mapping[str, int]) -> None:
    for customer, version in versions.items():
        put_version(cursor, customer, version)


def put_evidence(cursor: Any, added: Iterable[tuple[str, Mapping[bytes, int]]]) -> None:
    for customer, found in added:
        for key, rule in found.items():
            if (key, customer) in cursor["evidence"]:
                raise ValueError(f"evidence of {customer} is there already")
            cursor["evidence"][key, customer] = rule


def drop_evidence(cursor: Any, rows: Sequence[tuple[bytes, str]]) -> None:
    for row in rows:
        cursor["evidence"].pop(row, None)


def put_tokens(cursor: Any, added: Sequence[tuple[Token, str]]) -> None:
    cursor["tokens"].update(dict.fromkeys(added, True))


def drop_tokens(cursor: Any, gone: Sequence[tuple[Token, str]]) -> None:
    for row in gone:
        cursor["tokens"].pop(row, None)


def customers_with(cursor: Any, token: Token) -> set[str]:
    return {customer for known, customer in cursor["tokens"] if known == token}


def put_members(cursor: Any, identity_of: Mapping[str, str]) -> None:
    cursor["members"].update(identity_of)


def put_links(cursor: Any, links: Mapping[Pair, int]) -> None:
    cursor["links"].update(links)
    cursor["weights"].update(dict.fromkeys(links, 0))


def links_of(cursor: Any, customers: Collection[str]) -> list[tuple[str, str, int]]:
    found = [(a, b, position) for (a, b), position in cursor["links"].items() if a in customers]
    return sorted(found, key=lambda link: (link[2], link[0], link[1]))


def purge(cursor: Any, subject: str) -> None:
    drop_evidence(cursor, [(key, customer) for key, customer in cursor["evidence"] if customer == subject])
    drop_tokens(cursor, [row for row in cursor["tokens"] if row[1] == subject])
    if subject in cursor["profiles"]:
        cursor["profiles"][subject] = Profile(subject, cursor["profiles"][subject].version, None)
