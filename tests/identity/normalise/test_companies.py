"""Names of companies: what is left of a name without form, place and branch, in both scripts."""

# ruff: noqa: RUF001 - letters that look alike are what the test is about
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.normalise.companies import companies, company, is_organisation
from services.identity.matching.record import CompanyName


def read(text: str) -> CompanyName:
    found = company(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "spelling",
    [
        "北京字节跳动科技有限公司",
        "北京字節跳動科技有限公司",
        "字节跳动科技(北京)有限公司",
        "北京市字节跳动科技有限责任公司",
        "Beijing Zijie Tiaodong Technology Co., Ltd.",
        "BEIJING ZIJIETIAODONG KEJI YOUXIAN GONGSI",
        "Zijie Tiaodong Technologies (Beijing) Limited",
    ],
)
def test_a_chinese_company_has_one_core_in_every_spelling(spelling: str) -> None:
    assert (read(spelling).core, read(spelling).region) == ("zijietiaodongtechnology", "beijing")


@pytest.mark.parametrize(
    ("text", "core", "form"),
    [
        ("Acme Ltd", "acme", "ltd"),
        ("ACME LIMITED", "acme", "ltd"),
        ("Acme Pty. Ltd.", "acme", "ltd"),
        ("Acme Co., Ltd.", "acme", "ltd"),
        ("Müller GmbH & Co. KG", "muller", "kg"),
        ("Siemens Aktiengesellschaft", "siemens", "ag"),
        ("Muster Gesellschaft mit beschränkter Haftung", "muster", "gmbh"),
        ("Société Générale S.A.", "societegenerale", "sa"),
        ("I.B.M. Corp", "ibm", "inc"),
        ("IBM Corporation", "ibm", "inc"),
        ("Smith & Sons", "smithsons", ""),
        ("The Smith and Sons Company", "smithsons", "co"),
        ("中国石油天然气股份有限公司", "shiyoutianranqi", "plc"),
        ("Limited", "limited", ""),
        ("ООО Ромашка", "oooromashka", ""),
    ],
)
def test_the_legal_form_is_parted_from_the_name(text: str, core: str, form: str) -> None:
    assert (read(text).core, read(text).legal_form) == (core, form)


@pytest.mark.parametrize(
    ("branch", "head"),
    [
        ("北京字节跳动科技有限公司上海分公司", "北京字节跳动科技有限公司"),
        ("中国工商银行股份有限公司上海分行", "中国工商银行股份有限公司"),
        ("Acme Ltd - Leeds Branch", "Acme Ltd"),
        ("Acme Ltd Leeds Branch", "Acme Ltd"),
        ("Acme Ltd (Leeds Branch)", "Acme Ltd"),
        ("Muster GmbH, Zweigniederlassung Köln", "Muster GmbH"),
        ("Deutsche Bank AG Filiale Köln", "Deutsche Bank AG"),
    ],
)
def test_a_branch_has_the_core_of_its_company_and_says_that_it_is_one(branch: str, head: str) -> None:
    assert read(branch).core == read(head).core
    assert read(branch).branch
    assert not read(head).branch


def test_the_foreign_name_of_a_company_may_end_in_the_chinese_name_of_a_branch() -> None:
    found = read("Kangyun Technology Co., Ltd. 昆明分公司")

    assert (found.core, found.branch) == ("kangyuntechnology", "kunmingfengongsi")
    assert found.branch == read("康云科技有限公司昆明分公司").branch


def test_two_branches_are_told_apart() -> None:
    assert read("中国银行上海分行").branch != read("中国银行杭州分行").branch


def test_a_trading_name_is_a_name_of_its_own() -> None:
    assert [found.core for found in companies("Acme Ltd t/a Best Food", "", ("Beta Inc",))] == [
        "acme",
        "bestfood",
        "beta",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Acme Ltd",
        "北京字节跳动科技有限公司",
        "Bank of England",
        "Müller GmbH & Co. KG",
        "Acme Trading Co., Ltd.",
        "上海交通大学",
        "Acme Ltd - Leeds Branch",
    ],
)
def test_a_name_with_words_of_organisations_is_one(name: str) -> None:
    assert is_organisation(name)


@pytest.mark.parametrize(
    "name", ["John Smith", "张伟", "Zhang Wei", "欧阳修", "Ag Bell", "Smith", "", "林中心", "Mary Bankole"]
)
def test_a_name_of_a_person_is_none(name: str) -> None:
    assert not is_organisation(name)


@pytest.mark.parametrize("text", ["", "n/a", "无", "()", "---", "\ud800"])
def test_what_has_no_letter_is_no_company(text: str) -> None:
    assert company(text) is None


@given(st.text(max_size=60))
def test_case_and_spaces_around_do_not_count(text: str) -> None:
    assert company(text.lower()) == company(f"  {text.lower()} ")
