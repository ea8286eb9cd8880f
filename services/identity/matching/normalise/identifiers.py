"""Identifiers in their canonical spelling, checked where their type has check characters."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from services.identity.matching.normalise.tables import listed
from services.identity.matching.normalise.text import Steps, fold, known, note
from services.identity.matching.record import Identity

LONGEST = 64
"""Characters that are read of one identifier."""
MODULES: Mapping[str, str] = {
    "lei": "lei", "iban": "iban", "imei": "imei", "isin": "isin", "vat": "eu.vat", "duns": "",
    "us_ssn": "us.ssn", "us_ein": "us.ein", "us_itin": "us.itin", "gb_nhs": "gb.nhs", "gb_utr": "gb.utr",
    "gb_vat": "gb.vat", "au_tfn": "au.tfn", "au_abn": "au.abn", "au_acn": "au.acn", "ca_sin": "ca.sin",
    "ca_bn": "ca.bn", "de_idnr": "de.idnr", "de_vat": "de.vat", "fr_nir": "fr.nir", "fr_siren": "fr.siren",
    "fr_siret": "fr.siret", "es_dni": "es.dni", "es_nie": "es.nie", "es_nif": "es.nif", "it_codicefiscale":
    "it.codicefiscale", "nl_bsn": "nl.bsn", "pl_pesel": "pl.pesel", "se_personnummer": "se.personnummer",
    "fi_hetu": "fi.hetu", "br_cpf": "br.cpf", "br_cnpj": "br.cnpj", "in_aadhaar": "in_.aadhaar", "in_pan": "in_.pan",
    "kr_rrn": "kr.rrn", "za_idnr": "za.idnr", "tr_tckimlik": "tr.tckimlik", "tw_ubn": "tw.ubn", "jp_cn": "jp.cn",
    "ch_ssn": "ch.ssn", "at_vnr": "at.vnr", "be_nn": "be.nn", "dk_cpr": "dk.cpr", "no_fodselsnummer":
    "no.fodselsnummer", "ru_inn": "ru.inn",
}  # fmt: skip
"""Type of an identifier -> the module of python-stdnum that checks it."""
NAMES: Mapping[str, str] = {
    "credit_code": "uscc", "unified_social_credit_code": "uscc", "uscc": "uscc", "cn_uscc": "uscc",
    "统一社会信用代码": "uscc", "社会信用代码": "uscc", "ric": "ric", "cn_ric": "ric", "cn_national_id": "ric",
    "resident_id": "ric", "身份证": "ric", "身份证号": "ric", "居民身份证": "ric", "ssn": "us_ssn", "tfn": "au_tfn",
    "abn": "au_abn", "acn": "au_acn", "nhs": "gb_nhs", "siren": "fr_siren", "siret": "fr_siret", "cpf": "br_cpf",
    "cnpj": "br_cnpj", "pesel": "pl_pesel", "bsn": "nl_bsn", "aadhaar": "in_aadhaar", "sin": "ca_sin",
    "social_security": "soc_sec_id", "social_security_number": "soc_sec_id", "护照": "passport", "tax_id": "tax",
}  # fmt: skip
"""Other names of a type -> its name here."""
SHARED = frozenset(listed("tax vat imei iban account external loyalty customer_number source duns"))
"""Types of which one person or company may well have two, or two people one."""

_CHARACTERS = re.compile(r"[^0-9A-Z\u3400-\u9fff]+")
_RIC = re.compile(r"[1-9]\d{5}(?:\d{9}|(?:18|19|20)\d{9}[\dX])")
_RIC_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC = re.compile(f"[{_USCC_LETTERS}]{{18}}")
_RUNS = "01234567890123456789 98765432109876543210"


@lru_cache(maxsize=8192)
def identity(kind: str, value: str) -> Identity | None:
    """An identifier, or None where the value is only a stand-in (n/a, 0000000, 123456789). Never fails."""
    return read(kind, value, None)


def read(kind: str, value: str, steps: Steps | None) -> Identity | None:
    """As `identity`, noting every step."""
    name = type_of(kind)
    given = known(value)[:LONGEST]
    plain = given if given.isascii() else fold(given)
    spelled = _CHARACTERS.sub("", plain.upper())
    if not known(spelled) or is_placeholder(spelled):
        return None
    if name in {"national_id", "ric"} and _RIC.fullmatch(spelled) and _is_date(spelled):
        name = "ric"
        if len(spelled) == 15:
            spelled = _lengthened(spelled)
            note(steps, "from 15 to 18 digits", spelled)
    valid = _valid(name, spelled)
    note(steps, "canonical spelling", f"{name} {spelled}")
    return Identity(name, spelled, valid, exclusive=name not in SHARED and valid is not False)


@lru_cache(maxsize=4096)
def type_of(kind: str) -> str:
    """The name of a type of identifier: folded, words joined by "_", other names of it led to one."""
    folded = "_".join(re.findall(r"\w+", fold(known(kind))))
    return NAMES.get(folded, folded)


def is_placeholder(spelled: str) -> bool:
    """Whether a canonical spelling is a stand-in: one character over and over, or digits counted up or down."""
    return len(set(spelled)) == 1 or (len(spelled) >= 5 and spelled in _RUNS)


def _valid(name: str, spelled: str) -> bool | None:
    if name == "uscc":
        return _uscc_valid(spelled)
    if name == "ric":
        return len(spelled) == 18 and bool(_RIC.fullmatch(spelled)) and _ric_check(spelled) == spelled[17]
    check = _checker(name)
    if check is None:
        return None
    try:
        return bool(check(spelled))
    except Exception:  # noqa: BLE001 - whatever a rule of the library stumbles over is no valid number
        return False


@lru_cache(maxsize=256)
def _checker(name: str) -> Callable[[str], Any] | None:
    module = MODULES.get(name)
    if not module:
        return None
    found: Callable[[str], Any] = importlib.import_module(f"stdnum.{module}").is_valid
    return found


def _uscc_valid(spelled: str) -> bool:
    """GB 32100-2015: sum of value times 3^i modulo 31."""
    if not _USCC.fullmatch(spelled):
        return False
    total = sum(_USCC_LETTERS.index(letter) * pow(3, place, 31) for place, letter in enumerate(spelled[:17]))
    return _USCC_LETTERS[-total % 31] == spelled[17]


def _ric_check(spelled: str) -> str:
    """GB 11643-1999: ISO 7064 mod 11-2."""
    total = sum(int(digit) * weight for digit, weight in zip(spelled, _RIC_WEIGHTS, strict=False))
    return "10X98765432"[total % 11]


def _lengthened(old: str) -> str:
    """A number of 15 digits as the one of 18 that replaced it: the century added, the check character computed."""
    longer = f"{old[:6]}19{old[6:]}"
    return longer + _ric_check(longer)


def _is_date(spelled: str) -> bool:
    month, day = (spelled[10:12], spelled[12:14]) if len(spelled) == 18 else (spelled[8:10], spelled[10:12])
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def told_by_ric(found: Identity) -> tuple[str, str] | None:
    """Date of birth (ISO) and gender that a valid resident identity number carries."""
    if found.type != "ric" or not found.valid:
        return None
    number = found.value
    return f"{number[6:10]}-{number[10:12]}-{number[12:14]}", "male" if int(number[16]) % 2 else "female"
