"""A template without a member that the deployment needs, or that keeps it closed, is found."""

from pathlib import Path

import pytest

from local.infra_check.check import ROOT, check_all, templates, texts_of
from local.infra_check.settings import indexed_functions
from local.infra_check.types import data, known_types
from local.infra_check.wanted import check_wanted
from tests.infra.templates import ACCOUNT, change

KEYLESS = {"properties.allowSharedKeyAccess": ["false"]}


def said(text: str, wanted: dict[str, list[str]]) -> list[str]:
    program = templates(Path("/nowhere"), {"infra/main.bicep": text})
    file = program.files["infra/main.bicep"]
    check_wanted(file, {"Microsoft.Storage/storageAccounts": wanted})
    return [str(one) for one in file.found]


def test_a_member_that_has_to_be_there_is_missed() -> None:
    assert said(ACCOUNT, KEYLESS) == []
    found = said(change(ACCOUNT, "allowSharedKeyAccess: false", ""), KEYLESS)
    what = "'properties.allowSharedKeyAccess' is missing, which this project needs. Write false"
    assert found == [f"infra/main.bicep:2: {what}"]


def test_a_value_that_opens_is_found_and_one_of_two_is_looked_into() -> None:
    opened = change(ACCOUNT, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true")
    assert "properties.allowSharedKeyAccess is 'true' here. Write false" in said(opened, KEYLESS)[0]
    either = change(
        ACCOUNT, "allowSharedKeyAccess: false", "allowSharedKeyAccess: own ? true : false"
    )
    assert "is 'true' here" in said(either + "param own bool\n", KEYLESS)[0]


def test_a_value_that_is_not_known_here_is_let_through() -> None:
    open_ = change(ACCOUNT, "allowSharedKeyAccess: false", "allowSharedKeyAccess: keys")
    assert said(open_ + "param keys bool\n", KEYLESS) == []


def test_a_list_is_looked_into() -> None:
    text = change(
        ACCOUNT, "{ allowSharedKeyAccess: false }", "{ rules: [{ ip: 'a' }, { ip: 'b' }] }"
    )
    assert said(text, {"properties.rules[].ip": ["a", "b"]}) == []
    assert "properties.rules.ip is 'b' here" in said(text, {"properties.rules[].ip": ["a"]})[0]
    assert "'properties.rules.port' is missing" in said(text, {"properties.rules[].port": []})[0]


@pytest.mark.parametrize("name", ["required-values.json", "known-values.json"])
def test_the_tables_name_types_that_there_are(name: str) -> None:
    types = {one.split("@")[0] for one in known_types()}
    assert set(data(name)) <= types


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("storage", "    allowSharedKeyAccess: false\n"),
        ("storage", "    allowBlobPublicAccess: false\n"),
        ("storage", "    publicAccess: 'None'\n"),
        ("app", "    httpsOnly: true\n"),
        ("app", "    keyVaultReferenceIdentity: identityId\n"),
        ("vault", "    enablePurgeProtection: true\n"),
        ("monitoring", "    DisableLocalAuth: true\n"),
        ("alerts", "    skipQueryValidation: true\n"),
    ],
)
def test_a_line_that_is_lost_from_our_templates_is_found(file: str, line: str) -> None:
    texts = texts_of(ROOT)
    name = f"infra/modules/{file}.bicep"
    changed = {**texts, name: change(texts[name], line, "")}
    found = check_all(ROOT, changed, indexed_functions(ROOT))
    assert [one for one in found if one.file == name and "is missing" in one.what]
