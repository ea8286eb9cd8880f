"""What is known of customers, sealed in the `profiles` table and opened for the matcher."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from services.identity import store
from services.identity.domain.clustering import Guard, Scored
from services.identity.domain.deciding import standing, still_asked
from services.identity.domain.identities import Identities
from services.identity.matching.customer import NOTHING as UNCOMPARABLE
from services.identity.matching.customer import normal_of
from services.identity.matching.features import NOTHING, Features
from services.identity.matching.judging import Judge
from services.identity.matching.record import Normal
from services.identity.store import Profile
from services.identity.streams import stream_of
from shared.eventlog.log import Transaction
from shared.log import get_logger
from shared.privacy.sealing import DataKey, associated_data, seal, unseal

_log = get_logger(__name__)


def sealed_profile(customer: str, version: int, features: Features, keys: Mapping[str, DataKey]) -> Profile:
    """The row of a customer; without its features once its key is gone."""
    key = keys.get(customer)
    if key is None:
        return Profile(customer, version, None)
    return Profile(customer, version, seal(key, features.to_json(), _place(customer)), features.restricted)


def open_profile(profile: Profile, keys: Mapping[str, DataKey]) -> Features:
    """What is known of a customer; nothing once its key is gone."""
    key = keys.get(profile.customer)
    if profile.sealed is None or key is None:
        return NOTHING
    return Features.from_json(unseal(key, profile.sealed, _place(profile.customer)))


def read(tx: Transaction, customers: Collection[str]) -> dict[str, Normal]:
    """The records of these customers in the form that is compared."""
    if not customers:
        return {}
    profiles = store.profiles(tx.cursor, customers)
    keys = tx.data_keys(profiles)
    return {customer: normal_of(open_profile(profile, keys)) for customer, profile in profiles.items()}


def weighed_again(
    judge: Judge,
) -> Callable[[Transaction, Identities, Sequence[Collection[str]]], tuple[list[Scored], Guard]]:
    """For commands of people: the pairs of each of these crowds as the model weighs them now, and the model's guard."""

    def rescore(tx: Transaction, state: Identities, crowds: Sequence[Collection[str]]) -> tuple[list[Scored], Guard]:
        normals = read(tx, {customer for crowd in crowds for customer in crowd})
        found = [one for crowd in crowds for one in found_among(judge, state, crowd, normals)]
        return found, judge.guard(normals)

    return rescore


def found_among(
    judge: Judge,
    state: Identities,
    customers: Collection[str],
    normals: Mapping[str, Normal],
) -> list[Scored]:
    """Every pair among these customers from the review threshold on, and what stands of those who are not compared.

    Who is restricted or erased stays what it is: nothing can be found that speaks for its links, or against them. Of
    those who are too many to be weighed the links stand for the same reason, and their questions, too.
    """
    found = judge.pairs(customers, normals)
    silent = {customer for customer in customers if normals.get(customer, UNCOMPARABLE) is UNCOMPARABLE}
    beyond = set(judge.beyond(customers, normals))
    if beyond:
        _log.warning("too many customers hang together to weigh all", customers=len(customers), left=len(beyond))
    left = silent | beyond
    if not left:
        return found
    links = (link for link in standing(state, customers) if link.a in left or link.b in left)
    asked = (one for one in still_asked(state, customers) if one.a in beyond or one.b in beyond) if beyond else ()
    return [*found, *links, *asked]


def _place(customer: str) -> bytes:
    return associated_data("identity", stream_of(customer), 0, "profile", customer)
