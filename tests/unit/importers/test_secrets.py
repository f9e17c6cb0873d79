"""Secrets of definitions become names of app settings, and their values go nowhere."""

import time
from typing import Any

import pytest

from shared.importers.data_factory.account import NOWHERE, Account, Element
from shared.importers.data_factory.secret_forms import Form, form_of
from shared.importers.data_factory.secrets import (
    Secrets,
    in_clear_text,
    is_secret,
    setting_name,
)
from tests.unit.importers.repository import imported, pipeline, schedule_trigger, training


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, Form.ABSENT),
        ("", Form.ABSENT),
        ("abcdefgh12345678", Form.CLEAR),
        ({"type": "SecureString", "value": "abcdefgh12345678"}, Form.CLEAR),
        ({"type": "SecureString"}, Form.ABSENT),
        ({"type": "AzureKeyVaultSecret", "secretName": "k"}, Form.VAULT),
        ("**********", Form.MASKED),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=**********", Form.MASKED),
        ("$EncryptedString$MyEncryptedKey", Form.ENCRYPTED),
        ("[parameters('apiKey')]", Form.PARAMETER),
        ({"type": "SecureString", "value": "[parameters('apiKey')]"}, Form.PARAMETER),
        ("@{linkedService().key}", Form.EXPRESSION),
        ({"type": "Expression", "value": "@pipeline().parameters.k"}, Form.EXPRESSION),
        ("@concat('Password=', pipeline().parameters.k)", Form.EXPRESSION),
        ("@concat('Password=planted1;', pipeline().parameters.k)", Form.CLEAR),
        ("[concat('AccountName=a;AccountKey=', listKeys('x').key)]", Form.PARAMETER),
        ("[concat('AccountKey=planted2;', variables('a'))]", Form.CLEAR),
        ("@concat('Bearer ', 'planted3-a-token')", Form.CLEAR),
        ("@concat('Bearer ', 'planted3-a-token', pipeline().parameters.k)", Form.CLEAR),
        ("Bearer planted3 @{utcnow()}", Form.CLEAR),
        ("@{concat('Server=x;Password=','planted9',';')}", Form.CLEAR),
        ("https://h/@{concat('plant', 'ed4')}/@{utcnow()}", Form.CLEAR),
        ("@concat('planted9x', pipeline().parameters.k)", Form.CLEAR),
        ("@{concat('Password=', activity('planted9x').output.k)}", Form.EXPRESSION),
        ("@activity('Get secret 1').output.headers['x-token-1']", Form.EXPRESSION),
        ({"type": "Expression", "value": "@concat('plant', 'ed4')"}, Form.CLEAR),
        ("Bearer @{pipeline().parameters.token}", Form.EXPRESSION),
        ("@concat('Bearer ', pipeline().parameters.token)", Form.EXPRESSION),
        ("@{concat('AccountKey=', linkedService().key)};EndpointSuffix=x", Form.EXPRESSION),
        ("[concat('key', parameters('apiKey'))]", Form.PARAMETER),
        ("<API key>", Form.PLACEHOLDER),
        ("AccountName=<accountname>;AccountKey=<accountkey>", Form.MASKED),
        ("your_api_key", Form.PLACEHOLDER),
    ],
)
def test_the_form_of_a_secret_is_recognised(value: Any, form: Form) -> None:
    assert form_of(value) is form


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Account key", "abc"),
        ("SQL password", "abc"),
        ("servicePrincipalKey", "abc"),
        ("connectionString", "abc"),
        ("Token", "abc"),
        ("sasToken", "abc"),
        ("accesstoken", "abc"),
        ("pw", "abc"),
        ("SQL-PW", "abc"),
        ("user_pass", "abc"),
        ("dbPasswd", "abc"),
        ("clientSecret", "abc"),
        ("dbpw", "abc"),
        ("userpass", "abc"),
        ("SQL password", 12345678),
        ("password", {"Type": "Expression", "value": "@concat('a', 'b')"}),
        ("encryptionKey", "abc"),
        ("Ocp-Apim-Subscription-Key", "abc"),
        ("key", "a1b2c3d4e5f6a7b8"),
        ("Source", "ftp://user:planted1@host/x"),
        ("Hook", "https://f.azurewebsites.net/api/x?code=planted2"),
        ("Query", "create credential x with identity = 'i', secret = 'planted3'"),
        ("Body", '{"user": "u", "password": "planted4"}'),
        ("Certificate", "-----BEGIN RSA PRIVATE KEY-----\nplanted5"),
        ("bearer", "abc"),
        ("Header", "@concat('Bearer ', 'planted6-a-token')"),
        ("Path", "https://a.blob.core.windows.net/c/d?sv=1&sig=abcdefabcdef"),
        ("pat", "abc"),
        ("cred", "abc"),
        ("db_creds", "abc"),
        ("login", "abc"),
        ("Authorization", "Basic abc"),
        ("Key", "planted933"),
        ("sig", "planted938"),
        ("slack", "@concat('plant', 'ed938')"),
        ("who", "admin:Pl4nted&3"),
        ("a", f"ghp_{'A1b2' * 9}"),
        ("a", f"@concat('gh', 'p_{'A1b2' * 9}')"),
        ("a", f"github_pat_{'A1b2' * 6}"),
        ("a", "xoxb-123456789012-planted"),
        ("a", "AKIAIOSFODNN7EXAMPLE"),
        ("a", "https://hooks.slack.com/services/T0/B0/planted"),
        ("a", "use key=planted935"),
        ("a", "pw: planted901"),
        ("a", "https://h/jobs?v=2&key=planted"),
        ("a", "@{concat('Pass','word=planted')}"),
    ],
)
def test_secrets_are_known_by_name_or_shape(name: str, value: Any) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Database query", "select 1"),
        ("Key column", "CustomerId"),
        ("secretName", "abc"),
        ("secretVersion", "abc"),
        ("access token", 5),
        ("Key", "CustomerId"),
        ("Folder", {"type": "Expression", "value": "@pipeline().parameters.folder"}),
        ("Storage account key name", "first"),
        ("Address", "https://host:8080/a@b"),
        ("Country", "https://host/x?country_code=de"),
        ("Tokenizer", "words"),
        ("tokenize_text", "yes"),
        ("Token type", "n-gram"),
        ("passenger", "P1"),
        ("Bypass", "none"),
        ("passes", "10"),
        ("Secretary", "abc"),
        ("SASquatch", "abc"),
        ("pattern", "abc"),
        ("login page", "abc"),
        ("key", "@pipeline().parameters.key12345"),
        ("auth", "ServicePrincipal"),
        ("at", "10:30:00"),
        ("at", "2026-11-01T00:00:00Z"),
        ("model", "churn:version2"),
        ("drive", "c:/Data/rows1.csv"),
        ("note", "the password: it is rotated"),
        ("note", "select * from t where key = 'x'"),
        ("note", "token=@activity('a').output.token1"),
        ("note", "token={customer}/rows1.csv"),
        ("note", "max_token=1000words"),
        ("ghost", "ghp_short"),
    ],
)
def test_other_values_are_no_secrets(name: str, value: Any) -> None:
    assert not is_secret(name, value)


def test_settings_are_named_once_each() -> None:
    secrets = Secrets()
    first = secrets.setting(NOWHERE, "my-service", "apiKey")
    second = secrets.setting(NOWHERE, "my service", "apiKey")
    again = secrets.setting(NOWHERE, "My-Service", "APIKEY")
    assert (first, second, again) == (
        "${MY_SERVICE_API_KEY}",
        "${MY_SERVICE_API_KEY_2}",
        "${MY_SERVICE_API_KEY}",
    )
    assert all(one.startswith("<") and one.endswith(">") for one in secrets.wanted.values())
    assert setting_name("1. Dienst", "SQL password") == "S_1_DIENST_SQL_PASSWORD"
    assert setting_name("서비스", "") == "SECRET"


def test_a_secret_of_a_vault_becomes_a_reference_to_it() -> None:
    account, secrets = Account(), Secrets()
    secrets.vaults["vault"] = "https://mine.vault.azure.net/"
    value = {"type": "AzureKeyVaultSecret", "store": {"referenceName": "Vault"}, "secretName": "k"}
    secrets.setting(Element(value, "a.json", ("apiKey",), account), "training", "apiKey")
    (line,) = account.lines.values()
    assert "@Microsoft.KeyVault(SecretUri=https://mine.vault.azure.net/secrets/k)" in line.to_do
    (hint,) = secrets.wanted.values()
    assert hint.count("<") == hint.count(">") == 1


@pytest.mark.parametrize("kind", ["pipeline", "trigger"])
@pytest.mark.parametrize("tag", ["token=planted9X", "password=planted9X"])
def test_a_secret_among_the_tags_is_to_be_rotated(kind: str, tag: str) -> None:
    daily = schedule_trigger({"pipelineReference": {"referenceName": "churn"}})
    files = {"pipeline": pipeline(training()), "trigger": daily}
    files[kind]["annotations"] = [tag]
    found = imported({f"{one}/churn": properties for one, properties in files.items()})
    (said,) = [one for one in found.report.lines if one.name == "annotations"]
    assert "rotate what stands in clear text" in said.to_do


def test_where_a_secret_stood_is_said_and_its_value_is_not() -> None:
    account, secrets = Account(), Secrets()
    element = Element("abcdefgh12345678", "a.json", ("properties", "apiKey"), account)
    secrets.setting(element, "training", "apiKey")
    (line,) = account.lines.values()
    assert (line.file, line.at) == ("a.json", "properties.apiKey")
    assert "rotate" in line.to_do
    assert "abcdefgh" not in str(line) + str(secrets)


@pytest.mark.parametrize("shown", ["[parameters('key')]", "@pipeline().parameters.key"])
def test_an_expression_that_is_a_secret_is_said_as_it_is_written(shown: str) -> None:
    for value in (shown, {"type": "SecureString", "value": shown}):
        account = Account()
        Secrets().setting(Element(value, "a.json", ("apiKey",), account), "training", "apiKey")
        (line,) = account.lines.values()
        assert f"(`{shown}`), and is not copied" in line.text


def test_no_constant_of_a_secret_expression_is_said() -> None:
    inside = "concat('plant', activity('A').output.k)"
    for value in (f"@{inside}", f"x=planted;@{{{inside}}}", f"[{inside}]"):
        account = Account()
        Secrets().setting(Element(value, "a.json", ("pat",), account), "training", "pat")
        (line,) = account.lines.values()
        assert ("plant" in line.text, "concat('***', activity('A').output.k)" in line.text) == (
            False,
            True,
        )


def test_a_long_name_takes_no_longer_than_a_short_one() -> None:
    begun = time.process_time()
    assert not is_secret("auth" * 50_000, "abc")
    assert time.process_time() - begun < 1


def test_a_connection_string_in_a_parameter_of_any_name_is_a_secret() -> None:
    for value in ("Server=tcp:x;User ID=u;Password=planted1", "Data Source=x;Pwd=planted2;"):
        assert is_secret("Table source", value)
    assert not is_secret("Table source", "Server=tcp:x;Database=d")
    assert not is_secret("Query", "select design from t where design = 1")


def test_a_value_beside_its_name_is_recognised_as_a_secret() -> None:
    pairs = [{"name": "password", "value": "planted1"}, {"name": "n", "value": "plain"}]
    variable = {"variableName": "apiToken", "value": "planted2"}
    found = in_clear_text({"userProperties": pairs, "set": variable, "value": {"value": ["a"]}})
    assert [text for _, text in found] == ["planted1", "planted2"]
