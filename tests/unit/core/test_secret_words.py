"""Which settings, words and names count as secrets."""

from urllib.parse import quote

import pytest

from shared.core.redaction import Redactor, one_line, redact, secrets_among, words_in
from tests.unit.core.test_redaction import DRAWN, SIGNATURE


def test_settings_are_secrets_by_their_name_or_by_what_they_hold() -> None:
    environment = {
        "AZURE_CLIENT_SECRET": "client-secret",
        "MY_API_KEY": "some-api-key",
        "SQL_PASSWORD": "password1",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1;x",
        "Lake": "AccountName=a;AccountKey=a2V5",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsSecretStorageType": "files-here",
        "KEYVAULT_URL": "https://vault.example",
        "EMPTY_KEY": "",
    }
    hidden = set(secrets_among(environment))
    names = list(environment)[:5]
    assert hidden == {environment[name] for name in names}


def test_a_name_holds_a_secret_by_value_or_by_shape_but_not_by_a_word() -> None:
    redactor = Redactor("some-long-secret-value", "short1")
    assert redactor.names_secret("data/some-long-secret-value.csv")
    assert redactor.names_secret(f"data/{quote(DRAWN, safe='')}.csv")
    assert not redactor.names_secret("data/short1/sig=1/part.csv")


def test_the_rest_of_the_text_stays() -> None:
    text = f"BlobNotFound: https://a.blob.core.windows.net/c/b.csv?sig={SIGNATURE}, code 404"
    assert redact(text).startswith("BlobNotFound: https://a.blob.core.windows.net/c/b.csv?***")
    shown = redact(f"AccountName=x;AccountKey={SIGNATURE};EndpointSuffix=y")
    assert shown == "AccountName=x;AccountKey=***;EndpointSuffix=y"


@pytest.mark.parametrize(
    "word", ["true", "False", "null", "NONE", "nan", "error", "code", "message"]
)
def test_a_usual_word_is_no_secret(word: str) -> None:
    assert Redactor(word).text(f"a {word} here") == f"a {word} here"


def test_a_short_value_is_a_secret_from_four_characters_on_where_it_is_alone() -> None:
    redactor = Redactor("abc", "wxyz", "klmnopq", "rstuvwxy")
    assert redactor.text("abc wxyz xwxyz wxyz1") == "abc *** xwxyz wxyz1"
    assert redactor.text("klmnopq 1klmnopq") == "*** 1klmnopq"
    assert redactor.text("1rstuvwxy2") == "1***2"


def test_a_value_is_a_secret_up_to_sixteen_thousand_characters() -> None:
    longest = "a" * 16 * 1024
    assert Redactor(longest).text(f"<{longest}>") == "<***>"
    assert Redactor(f"{longest}a").text(f"<{longest}a>") == f"<{longest}a>"


def test_the_longest_of_several_values_is_hidden_first() -> None:
    redactor = Redactor("secret-one", "secret-one-and-two")
    assert redactor.text("it is secret-one-and-two") == "it is ***"
    assert redactor.known("it is secret-one") == "it is ***"


def test_a_number_is_hidden_from_eight_digits_on() -> None:
    redactor = Redactor("1234567", "12345678")
    assert redactor.text("1234567") == "1234567"
    assert redactor.text("12345678") == "***"
    assert redactor.text("+87654321.5e-3") == "+87654321.5e-3"


def test_a_name_is_not_given_up_for_a_value_of_fewer_than_sixteen_characters() -> None:
    redactor = Redactor("abcdefghijklmno", "ABCDEFGHIJKLMNOP")
    assert not redactor.names_secret("abcdefghijklmno.csv")
    assert redactor.names_secret("ABCDEFGHIJKLMNOP.csv")
    assert redactor.names_secret(DRAWN)


def test_a_word_in_clear_is_known_as_such() -> None:
    redactor = Redactor(public=frozenset({"production"}))
    assert redactor.is_public("production")
    assert not redactor.is_public("other")


def test_a_key_that_a_service_reports_is_a_secret_from_eight_characters_on() -> None:
    redactor = Redactor()
    redactor.learn_from_service("abcdefg", "hijklmno", "runs/abcdefgh")
    assert redactor.text("abcdefg hijklmno runs/abcdefgh") == "abcdefg *** runs/abcdefgh"


@pytest.mark.parametrize("count", [10, 64, 65, 200])
def test_a_value_is_found_among_however_many_are_known(count: int) -> None:
    known = [f"key-{number:08d}" for number in range(count)]
    redactor = Redactor(*known, "a b-c!d e-f!")  # the last has no anchor
    text = f"it is {known[0]} or {known[-1]} or a b-c!d e-f!."
    assert redactor.text(text) == "it is *** or *** or ***."


@pytest.mark.parametrize(
    "name",
    [
        *("X_KEY", "KEYS", "MY_SECRET", "SECRETS2", "TOKEN", "PASSWORD", "PASSWD", "PWD", "SAS"),
        *("a_signature", "IDENTITY_HEADER", "CONNECTION_STRING", "ConnectionString1"),
    ],
)
def test_a_setting_is_a_secret_by_its_name_from_eight_characters_on(name: str) -> None:
    assert list(secrets_among({name: "abcdefgh"})) == ["abcdefgh"]
    assert list(secrets_among({name: "abcdefg"})) == []
    assert list(secrets_among({f"{name}_URL": "abcdefgh"})) == []


@pytest.mark.parametrize(
    "member", ["AccountKey", "SharedAccessKey", "sharedaccesssignature", "sig", " sig "]
)
@pytest.mark.parametrize("between", [";", "&", "?"])
def test_a_setting_is_a_secret_by_a_member_that_is_one(member: str, between: str) -> None:
    value = f"Name=x{between}{member}=a2V5a2V5"
    assert list(secrets_among({"LAKE": value})) == [value]
    assert Redactor(value).text("it is a2V5a2V5") == "it is ***"
    assert list(secrets_among({"LAKE": f"Name=x{between}{member}="})) == []
    assert list(secrets_among({"LAKE": f"Name=x{between}other=a2V5a2V5"})) == []


def test_every_text_in_json_is_a_word_and_so_is_each_part_of_a_path() -> None:
    found = list(words_in({"a/b": ["c", 1, None, {"d": ("e",)}]}))
    assert found == ["a/b", "a", "b", "c", "c", "d", "d", "e", "e"]


def test_an_unprintable_character_is_shown_as_an_escape() -> None:
    assert one_line("a\nb\x00ä") == r"a\nb\x00ä"
    assert one_line("plain ä") == "plain ä"
