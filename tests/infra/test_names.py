"""Names within and between templates exist, and have a value when they are needed."""

import pytest

from tests.infra.templates import ACCOUNT, ROLE, change, said

MODULE = """param name string
param tags object
param count int = 1
@allowed(['queue', 'blobTrigger'])
param way string
var both = way == 'queue' ? '${name}${count}' : tags.owner
output both string = both
"""
MAIN = """param way string
module part 'part.bicep' = {
  name: 'part'
  params: {
    name: 'a'
    tags: { owner: 'b' }
    way: 'queue'
  }
}
var rows = [
  { key: 'a', size: 1 }
  { key: 'b', size: 2 }
]
output both string = part.outputs.both
output all array = [for (row, i) in rows: '${row.key}${row.size + i}${way}']
"""


def test_right_names_are_not_complained_about() -> None:
    assert said(MAIN, part=MODULE) == []


def test_a_choice_may_have_the_empty_text() -> None:
    choice = "@allowed(['', 'true'])\nparam on string = ''\noutput o bool = on == 'true'\n"
    assert said(choice) == []
    assert "Write 'true'" in said(change(choice, "= ''", "= 'tru'"))[0]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("name: 'a'", "nam: 'a'", "'params of infra/part.bicep' has no property 'nam'. Write"),
        ("    name: 'a'\n", "", "the required property 'name'"),
        ("name: 'a'", "name: 1", "'1' is a number, and a text is needed here"),
        ("way: 'queue'", "way: 'queues'", "'queues' is not allowed here. Write 'queue'"),
        ("outputs.both", "outputs.bot", "has no property 'bot'. Write 'both'"),
        ("part.outputs", "part.output", "'module part' has no property 'output'"),
        ("'part.bicep'", "'parts.bicep'", "there is no file 'parts.bicep'. Write 'part.bicep'"),
        ("owner: 'b'", "owne: 'b'", "infra/part.bicep:6: this object has no property 'owner'"),
        ("name: 'part'", "nme: 'part'", "a module has no property 'nme'. Write 'name'"),
        ("key: 'b'", "kye: 'b'", "this object has no property 'key'. Write 'kye'"),
        ("row.key", "row.keys", "Write 'key'"),
        ("row.key", "rows.key", "'.key' is read of a value that is: array"),
        ("in rows", "in row", "nothing is called 'row'. Write 'rows'"),
        ("${way}", "", "the parameter 'way' is not used"),
        ("param way", "param part", "'part' is declared twice"),
    ],
)
def test_a_name_that_leads_nowhere_is_found(old: str, new: str, what: str) -> None:
    found = said(change(MAIN, old, new), part=MODULE)
    assert any(what in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("way == 'queue'", "way == 'quee'", "none of the possible values. Write 'queue'"),
        ("@allowed", "@alowed", "there is no decorator 'alowed'. Write 'allowed'"),
        ("count int = 1", "count int = '1'", "'1' is a text, and a number is needed here"),
        ("count int", "count integer", "there is no type 'integer'. Write 'int'"),
        ("output both", "output bot", "no template reads the output 'bot'. Write 'both'"),
        ("param name string", "param name string = newGuid()\nvar x = newGuid()", "default of"),
        ("param tags object", "param tags object = both", "names 'both', a var"),
        ("@allowed(['queue', 'blobTrigger'])\n", "@secure()\n@batchSize(1)\n", "cannot stand"),
    ],
)
def test_a_name_in_a_module_that_leads_nowhere_is_found(old: str, new: str, what: str) -> None:
    found = said(MAIN, part=change(MODULE, old, new))
    assert any(what in one for one in found), found


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("tolower('A')", "there is no function 'tolower'. Write 'toLower'"),
        ("toLower()", "'toLower' has 0 arguments and takes 1"),
        ("guid()", "takes at least 1"),
        ("substring('a')", "takes 2 to 3"),
        ("toLower([])", "'toLower' cannot take"),
        ("resourceGroup().locations", "'resourceGroup' has no property 'locations'"),
        ("environment().suffixes.store", "'suffixes' has no property 'store'"),
        ("loadTextContent('no.json')", "this file's folder has no 'no.json'"),
        ("az.subscription().id + 1 ? 'a' : 'b'", "is a int where a bool is needed"),
        ("'${resourceGroup()}'", "cannot be a part of a text"),
        ("utcNow()", "in the default of a parameter only"),
        ("map([{ a: 'x' }], one => one.b)[0]", "has no property 'b'. Known here: a"),
        ("{ a: 'x' }.b", "has no property 'b'"),
        ("{ a: 'x', a: 'y' }.a", "'a' is written twice"),
    ],
)
def test_a_call_that_cannot_be_right_is_found(value: str, what: str) -> None:
    found = said(f"output o string = {value}\n")
    assert any(what in one for one in found), found


@pytest.mark.parametrize(
    "value",
    [
        "map([{ a: 'x' }], one => one.a)[0]",
        "first(filter([{ a: 'x' }], (one) => one.a == 'x' ? true : false)).a",
        "empty('x') ? 'a' : { b: { c: 'd' } }.b.c",
        "items({ a: { b: 'x' } })[0].value.b",
        "union({ a: 'x' }, { b: 'y' }).b",
        "[for one in [{ a: 'x' }]: one.a][0]",
        "split('a,b', ',')[0]",
        "concat('a', sys.toLower('B'), string(1 + 2 * 3))",
    ],
)
def test_an_expression_is_read_as_bicep_binds_it(value: str) -> None:
    assert said(f"output o string = {value}\n") == []


IDENTITY = "resource x 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = "
ENDPOINT = "account.properties.primaryEndpoints.blob"


@pytest.mark.parametrize(
    ("text", "late"),
    [
        (f"var n = {ENDPOINT}\noutput o array = [for one in [n]: one]", "account.properties"),
        (
            f"{IDENTITY}if (account.kind == 'StorageV2') {{\n name: 'abc'\n location: location\n}}",
            "account.kind",
        ),
        (
            f"{IDENTITY}{{\n name: take({ENDPOINT}, 9)\n location: location\n}}",
            "account.properties",
        ),
    ],
)
def test_what_is_needed_at_the_start_is_known_then(text: str, late: str) -> None:
    found = said(f"{ACCOUNT}{text}\n")
    assert any(f"'{late}' is not known when the deployment begins" in one for one in found), found


def test_ids_and_names_are_known_at_the_start() -> None:
    text = f"{ACCOUNT}{IDENTITY}{{\n name: 'id-${{account.name}}'\n location: location\n}}\n"
    assert said(text) == []


def test_what_need_not_be_there_is_read_behind_its_condition() -> None:
    text = change(ACCOUNT, "= {", "= if (own) {") + "param own bool\n"
    assert said(f"{text}output o string = own ? {ENDPOINT} : ''\n") == []
    assert "need not be there" in said(f"{text}output o string = {ENDPOINT}\n")[0]
    assert said(f"{text}output o string = account.id\n") == []


def test_a_circle_is_found() -> None:
    found = said("var a = b\nvar b = a\noutput o string = a\n")
    assert [one for one in found if "depends on itself" in one] == [
        "infra/main.bicep:1: 'a' depends on itself. Break the circle",
        "infra/main.bicep:2: 'b' depends on itself. Break the circle",
    ]


def test_a_resource_and_a_module_are_placed_where_they_can_be() -> None:
    subscription = "targetScope = 'subscription'\n"
    assert "belongs into a resourceGroup" in said(subscription + ACCOUNT)[0]
    group = "resource g 'Microsoft.Resources/resourceGroups@2025-04-01' = {\n name: 'g'\n"
    group += " location: 'x'\n}\n"
    module = "module part 'part.bicep' = {\n name: 'p'\n scope: g\n params: { location: 'x' }\n}\n"
    assert said(subscription + group + module, part=ACCOUNT) == []
    placed = said(subscription + group + change(module, " scope: g\n", ""), part=ACCOUNT)
    assert "Add 'scope'" in placed[0]
    wrong = said(
        subscription + group + change(module, "scope: g", "scope: subscription()"), part=ACCOUNT
    )
    assert any("for a resourceGroup, and is placed on a subscription" in one for one in wrong)
    assert "Write 'subscription'" in said("targetScope = 'subscriptions'\n")[0]


def test_two_modules_and_two_resources_of_one_name_are_found() -> None:
    module = "module part 'part.bicep' = {\n name: 'p'\n params: { location: 'x' }\n}\n"
    other = change(module, "module part", "module other")
    assert "'other' has the name of 'part': 'p'" in said(module + other, part=ACCOUNT)[0]
    twice = ACCOUNT + change(ACCOUNT, "param location string\nresource account", "resource again")
    assert "'again' has the name of 'account'" in said(twice)[0]


def test_what_extends_a_resource_is_in_its_place() -> None:
    other = "{ name: 'abc', scope: resourceGroup('x') }"
    elsewhere = change(ROLE, "{ name: 'relearndata' }", other)
    assert "belongs to 'account', which is in another place" in said(elsewhere)[0]
    placed = change(ACCOUNT, "  kind:", "  scope: resourceGroup('x')\n  kind:")
    assert "is placed by 'scope', and extends no resource" in said(placed)[0]
    assert "is not a loop" in said(change(ACCOUNT, "resource", "@batchSize(1)\nresource"))[0]
