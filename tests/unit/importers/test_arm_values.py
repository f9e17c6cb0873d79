"""Values in ARM templates: expressions, parameters, variables and secrets."""

import time
from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome, Place
from shared.importers.data_factory.expressions.syntax import UnresolvedError
from shared.importers.data_factory.reading.arm_expressions import evaluated
from tests.unit.importers.templates import (
    V2,
    dataset,
    lines,
    parameters,
    search,
    template,
    values_of,
)

VALUES = {"factory": "churn-adf", "n": 3, "yes": True, "list": ["a", "b"], "o": {"Key": ["x"]}}


def value_of(text: str) -> Any:
    def looked_up(name: str) -> Any:
        if name not in VALUES:
            raise UnresolvedError(f"no {name}")
        return VALUES[name]

    return evaluated(text, looked_up, looked_up)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[concat(parameters('factory'), '/it''s')]", "churn-adf/it's"),
        ("[ Concat( 'a' , 3, parameters('yes') ) ]", "a3True"),
        ("[concat(variables('list'), createArray('c'))]", ["a", "b", "c"]),
        ("[format('{0}/{1}-{{x}}', 'a', parameters('n'))]", "a/3-{x}"),
        ("[toLower(toUpper('aB'))]", "ab"),
        ("[parameters('o').key[0]]", "x"),
        ("[variables('list')[1]]", "b"),
        ("[if(equals('A', 'a'), trim(' y '), 'n')]", "y"),
        ("[if(and(parameters('yes'), not(false())), 1, 2)]", 1),
        ("[first(split(replace('a.b', '.', '/'), '/'))]", "a"),
        (
            f"[resourceId('{V2}/datasets', parameters('factory'), 'In')]",
            "/providers/Microsoft.DataFactory/factories/churn-adf/datasets/In",
        ),
        ("[resourceId('rg', 'Microsoft.Storage/storageAccounts', 'st')]", None),
    ],
)
def test_expressions_have_the_value_that_azure_gives_them(text: str, value: Any) -> None:
    store = "/providers/Microsoft.Storage/storageAccounts/st"
    assert value_of(text) == (store if value is None else value)


NO_VALUES = (
    "[listKeys('x').key]",
    "[concat('a'",
    "[concat('a')",
    "['a' 'b']",
    "[]",
    "[)]",
    "[.a]",
    "[parameters('o').none]",
    "[variables('list')[9]]",
    "[parameters('other')]",
    "[{}]",
    "[format('{0:N2}', 1)]",
    "[format('{9}', 1)]",
    "[concat(parameters('o'), 'a')]",
    "[concat" + "(concat" * 100 + ")" * 100 + "]",
    "[" + "9" * 5000 + "]",
    "[if('a', 1, 2)]",
    "[" + "(" * 25_000 + "]",
    "[first('')]",
    "[int('x')]",
    "[resourceId('a/b/c', 'one')]",
    "[replace('" + "a" * 9_000 + "', 'a', '" + "b" * 9_000 + "')]",
    "[replace('a', '', 'b')]",
    "[parameters()]",
)


@pytest.mark.parametrize(
    "text",
    NO_VALUES,
)
def test_an_expression_without_a_value_says_why(text: str) -> None:
    with pytest.raises(UnresolvedError) as error:
        value_of(text)
    assert str(error.value)


@pytest.mark.parametrize(
    ("files", "given", "value"),
    [
        ({}, {}, "default"),
        ({"arm/ARMTemplateParametersForFactory.json": "beside"}, {}, "beside"),
        ({"other/ARMTemplateParametersForFactory.json": "elsewhere"}, {}, "default"),
        (
            {"arm/dev.parameters.json": "dev", "ARMTemplateParametersForFactory.json": "up"},
            {},
            "dev",
        ),
        ({"arm/x.json": "x", "arm/arm_template_parameters.json": "usual"}, {}, "usual"),
        ({"arm/a.json": "a", "arm/factory.parameters.json": "fits"}, {}, "fits"),
        ({"arm/ARMTemplateParametersForFactory.json": "beside"}, {"Folder": "given"}, "given"),
    ],
)
def test_the_value_of_a_parameter_is_the_nearest_one(
    files: dict[str, str], given: dict[str, str], value: str
) -> None:
    root = template(dataset(folderPath="[parameters('folder')]"))
    root["parameters"]["folder"] = {"type": "String", "defaultValue": "default"}
    beside = {name: parameters(FOLDER=one) for name, one in files.items()}
    definitions, account = search({"arm/factory.json": root, **beside}, **given)
    assert values_of(definitions) == {"folderPath": value}
    for file, its in files.items():
        said = account.lines[Place(file, ())]
        assert said.text.startswith("1 value for the parameters of templates")
        assert bool(said.to_do) is file.startswith("other/")
        other = account.lines.get(Place(file, ("parameters", "FOLDER", "value")))
        assert (other is None) is (its == value or file.startswith("other/"))


def test_of_two_values_of_a_parameter_the_one_that_does_not_count_has_a_line() -> None:
    root = template(dataset(folderPath="[parameters('folder')]"))
    root["parameters"]["folder"] = {"type": "string"}
    files = {f"{name}.json": parameters(folder=name, same=1) for name in ("dev", "prod")}
    definitions, account = search({"t.json": root, **files})
    assert values_of(definitions) == {"folderPath": "dev"}
    ours = [one for one in account.lines.values() if one.path and one.file in files]
    assert [(one.file, one.at, one.text) for one in ours] == [
        ("prod.json", "parameters.folder.value", "another value counts: that of dev.json")
    ]
    assert "--parameters" in ours[0].to_do


def test_a_parameter_whose_value_is_in_a_vault_has_a_line() -> None:
    vault = {"keyVault": {"id": "/subscriptions/s/providers/x/vaults/mine"}, "secretName": "k"}
    values = parameters(factoryName="f")
    values["parameters"]["api_key"] = {"reference": vault}
    _, account = search({"t.json": template(dataset()), "p.json": values})
    said = account.lines[Place("p.json", ("parameters", "api_key", "reference"))]
    assert "https://mine.vault.azure.net/secrets/k" in said.to_do


def test_the_value_of_a_secret_parameter_is_never_in_a_definition() -> None:
    root = template(
        dataset(
            password="[parameters('db_password')]",
            inside="[concat('key=', parameters('db_password'))]",
            through="[variables('secret')]",
        ),
        variables={"secret": "[parameters('db_password')]"},
    )
    secret = {"type": "SecureString", "defaultValue": "s3cr3t-default"}
    root["parameters"]["db_password"] = secret
    definitions, account = search(
        {"a.json": root, "p/dev.parameters.json": parameters(db_password="s3cr3t-dev")},
        db_password="s3cr3t-given",
    )
    assert values_of(definitions) == {
        "password": "[parameters('db_password')]",
        "inside": "[concat('key=', parameters('db_password'))]",
        "through": "[variables('secret')]",
    }
    told = lines(definitions, account)
    for path in (
        ("parameters", "db_password", "defaultValue"),
        ("parameters", "db_password", "value"),
    ):
        assert told[path].text == "a secret in clear text; it is not copied"
        assert told[path].to_do.startswith("rotate it")
    assert "s3cr3t" not in repr(account.lines) + repr(definitions.problems)
    assert set(told) == {(), ("resources", 0), *(p for p in told if p[:1] == ("parameters",))}


def test_what_has_no_value_stays_verbatim_and_is_reported_at_its_place() -> None:
    key = "AccountKey=" + "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy" + "=="
    verbatim = f"[concat('{key}', listKeys(parameters('x')))]"
    root = template(
        dataset(a=verbatim, b="[parameters('missing')]", c="[variables('one').open]"),
        variables={"one": {"title": "t", "open": "[reference('x').url]"}},
    )
    definitions, account = search({"a.json": root})
    assert values_of(definitions) == {
        "a": verbatim,
        "b": "[parameters('missing')]",
        "c": "[variables('one').open]",
    }
    definitions.all[0].properties.get("typeProperties").mapped("key", "x", "read")
    told = lines(definitions, account)
    place = ("resources", 0, "properties", "typeProperties")
    assert {told[*place, name].outcome for name in "abc"} == {ImportOutcome.APPROXIMATED}
    assert told[*place, "b"].text == (
        "the expression `[parameters('missing')]` has no value here: "
        "parameter `missing` has no value: give it with --parameters"
    )
    assert "reference() has its value only when the template is deployed" in told[*place, "c"].text
    assert "Zm9v" not in told[*place, "a"].text


def test_a_long_expression_without_a_value_is_reported_whole() -> None:
    names = "', '".join(f"part {at} of the path" for at in range(400))
    verbatim = f"[concat('{names}', parameters('missing'))]"
    definitions, account = search({"a.json": template(dataset(a=verbatim))})
    definitions.all[0].properties.get("typeProperties").mapped("key", "x", "read")
    told = lines(definitions, account)["resources", 0, "properties", "typeProperties", "a"]
    assert told.text.startswith(f"the expression `{verbatim}` has no value here: ")


def test_expressions_of_a_dataset_that_is_not_carried_over_are_not_reported() -> None:
    definitions, account = search({"a.json": template(dataset(a="[parameters('missing')]"))})
    definitions.all[0].body.left("dataset", "In", "nothing uses it", "there is nothing to do")
    definitions.close(account)
    assert set(account.lines) == {("a.json", ()), ("a.json", ("resources", 0))}


@pytest.mark.parametrize(
    "variables",
    [
        {"a": "[variables('b')]", "b": "[variables('a')]"},
        {"a": {"x": "[variables('a')]"}},
        {f"v{n}": f"[variables('v{n + 1}')]" for n in range(400)} | {"a": "[variables('v0')]"},
        {"a": "x" * 30_000}
        | {f"v{n}": "[concat(variables('a'), variables('a'))]" for n in range(9)},
        {"v0": ["x"] * 100}
        | {f"v{n + 1}": [f"[variables('v{n}')]"] * 10 for n in range(8)}
        | {"a": "[variables('v8')]"},
        {"v0": ["x"]}
        | {f"v{n + 1}": [f"[variables('v{n}')]"] for n in range(400)}
        | {"a": "[variables('v400')]"},
    ],
)
def test_variables_that_need_each_other_or_grow_without_end_are_reported(
    variables: dict[str, Any],
) -> None:
    names = [*variables, "a"]
    root = template(dataset(**{name: f"[variables('{name}')]" for name in names}))
    begun = time.process_time()
    definitions, account = search({"a.json": root | {"variables": variables}})
    definitions.close(account)
    assert definitions.unresolved["a.json"]
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "key",
    [
        "listKeys(resourceId('Microsoft.Storage/storageAccounts', 'st'), '2015').key1",
        "parameters('store_key')",
        "variables('none')",
        "'a', parameters('store_key')",
    ],
)
def test_a_connection_string_names_its_account_without_its_key(key: str) -> None:
    text = f"[concat('AccountName=', parameters('factoryName'), ';AccountKey=', {key})]"
    root = template(dataset(connectionString=text))
    root["parameters"]["store_key"] = {"type": "securestring", "defaultValue": "s3cr3t"}
    definitions, _ = search({"a.json": root})
    gap = f"<{key.partition('(')[0]}>"
    kept = text if key.startswith("'") else f"AccountName=churn-adf;AccountKey={gap}"
    assert values_of(definitions) == {"connectionString": kept}
    assert definitions.unresolved["a.json"] == []


def test_a_connection_string_that_is_a_secret_names_its_account_without_its_key() -> None:
    root = template(dataset(connectionString="[parameters('connection')]"))
    root["parameters"]["connection"] = {"type": "secureString"}
    values = parameters(connection="AccountName=fleet;AccountKey=c2VjcmV0")
    definitions, _ = search({"a.json": root, "p.json": values})
    assert values_of(definitions) == {
        "connectionString": "AccountName=fleet;AccountKey=<parameters>"
    }
