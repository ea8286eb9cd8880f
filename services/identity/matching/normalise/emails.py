"""E-mail addresses in one spelling: case, plus tags, dots that a provider does not see, one name for its domains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from services.identity.matching.normalise.tables import listed
from services.identity.matching.normalise.text import LONGEST, Steps, fold, known, note
from services.identity.matching.record import Email

DOMAINS: Mapping[str, str] = {
    "googlemail.com": "gmail.com", "gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmail.co": "gmail.com",
    "gmail.con": "gmail.com", "gmal.com": "gmail.com", "gnail.com": "gmail.com", "hotmial.com": "hotmail.com",
    "hotmai.com": "hotmail.com", "hotmal.com": "hotmail.com", "hotmail.con": "hotmail.com", "yaho.com": "yahoo.com",
    "yahoo.con": "yahoo.com", "outlok.com": "outlook.com", "outlook.con": "outlook.com", "me.com": "icloud.com",
    "mac.com": "icloud.com", "iclod.com": "icloud.com", "protonmail.com": "proton.me", "pm.me": "proton.me",
    "vip.qq.com": "qq.com", "foxmail.com": "foxmail.com", "qq.con": "qq.com", "163.con": "163.com",
}  # fmt: skip
"""Domains that lead to the same mailbox as another, and the commonest slips of the great ones."""
DOTS_UNSEEN = frozenset(("gmail.com", "proton.me"))
"""Providers to whom a.b@ and ab@ are one mailbox."""
TAGS: Mapping[str, str] = {"yahoo.com": "-", "yahoo.co.uk": "-", "ymail.com": "-"}
"""The sign behind which a tag starts, where it is not the plus."""
ROLES = frozenset(
    listed(
        "info sales admin administrator office contact support help hello service services kefu marketing hr jobs"
        " billing accounts account accounting finance webmaster postmaster hostmaster enquiries inquiries mail email"
        " team reception noreply no-reply donotreply"
    )
)
"""Mailboxes of a desk, not of a person."""
NOBODY = frozenset(
    listed(
        "none na n/a null nil noemail no-email nomail test testing unknown nobody noone anonymous asdf qwerty xxx xx x"
        " aaa abc noreply no-reply donotreply invalid dummy fake email example user"
    )
)
"""What is written before the @ where there is no address."""
NOWHERE = frozenset(
    listed(
        "none.com na.com noemail.com nomail.com test.com unknown.com invalid.com abc.com xxx.com aaa.com noreply.com"
        " none no localhost nowhere.com email.com null.com domain.com"
    )
)
_ADDRESS = re.compile(r"([^\s@<>,;:()\"]+)@([^\s@<>,;:()\"]+)")


def parted(text: str) -> list[str]:
    """The addresses that stand in one text; a text with at most one is left as it is."""
    text = text[:LONGEST]
    return [text] if text.count("@") < 2 else [match[0] for match in _ADDRESS.finditer(text)] or [text]


@lru_cache(maxsize=8192)
def email(text: str) -> Email | None:
    """One address, or None where there is none in the text. Never fails."""
    return read(text, None)


def read(text: str, steps: Steps | None) -> Email | None:
    """As `email`, noting every step."""
    given = known(text)
    folded = given.lower() if given.isascii() else fold(given)
    match = _ADDRESS.search(folded.replace(" @", "@").replace("@ ", "@") if " " in folded else folded)
    if match is None:
        return None
    local, domain = match[1].strip("."), match[2].strip(".")
    note(steps, "lower case", f"{local}@{domain}")
    if domain in DOMAINS:
        domain = DOMAINS[domain]
        note(steps, "domain of the same mailbox", f"{local}@{domain}")
    untagged = local.partition(TAGS.get(domain, "+"))[0] or local
    if untagged != local:
        local = untagged
        note(steps, "without the tag", f"{local}@{domain}")
    if domain in DOTS_UNSEEN and "." in local:
        local = local.replace(".", "") or local
        note(steps, "without dots", f"{local}@{domain}")
    if not local or not domain:
        return None
    placeholder = local in NOBODY or domain in NOWHERE or "." not in domain or local == domain.partition(".")[0]
    return Email(f"{local}@{domain}"[:LONGEST], local, domain, placeholder, local in ROLES)
