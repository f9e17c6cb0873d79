import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from shared.core.blobs import BlobVersion
from shared.core.redaction import Redactor, one_line, redact, secrets_among, words_in
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from tests.unit.samples import MODEL, blob

SIGNATURE = "c2lnbmF0dXJl%3D"
#: As the storage draws them; both hold what URLs and JSON write otherwise.
DRAWN = "hEtpxNVMwmS8La22u3D1O8Ejvq/A9Y2B7YzUoHwk+ac="
ACCOUNT_KEY = base64.b64encode(hashlib.sha512(b"x").digest()).decode()


def encoded(value: str) -> list[str]:
    once = quote(value, safe="")
    return [
        value,
        once,
        once.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"),
        quote(once, safe=""),
        json.dumps(value),
        json.dumps(json.dumps(value)),
        value.replace("/", r"\/"),
        value.replace("+", r"\u002b").replace("/", r"\u002F").replace("=", r"\u003d"),
        value.replace("+", "-").replace("/", "_"),
        value.replace("+", "&#43;").replace("/", "&#47;").replace("=", "&#61;"),
        value.replace("+", "&#x2B;").replace("/", "&#x2f;").replace("=", "&#x3D;"),
    ]


def pieces(value: str) -> list[str]:
    return [piece for piece in (value[:12], value[1:20], value[12:22]) if piece.isalnum()]


@pytest.mark.parametrize(
    "text",
    [
        f"cannot read https://a.blob.core.windows.net/c/b.csv?sv=2021-08-06&sr=b&sig={SIGNATURE}&se=1",
        f'{{"SasBlobToken": "?sv=2015-02-21&SIG={SIGNATURE}"}}',
        f"sr=b&sig={SIGNATURE}&sp=r",
        f"u=https%3A%2F%2Fa.blob%2Fc%3Fsig%3D{SIGNATURE}",
        f"u=https%3A%2F%2Fa.blob%2Fc%3fsv%3D1%26sig%3D{SIGNATURE}",
        f"sig={SIGNATURE}",
        f"sig: {SIGNATURE}",
        f'"sig":"{SIGNATURE}"',
        f"'Sig' : '{SIGNATURE}'",
        f'{{\\"sig\\": \\"{SIGNATURE}\\"}}',
        f"sig%3D{SIGNATURE}",
        f"sig%253D{SIGNATURE}",
        f"sig%20%3A%20{SIGNATURE}",
        f"sv=1\\u0026sig\\u003d{SIGNATURE}",
        f"sv=1&amp;sig&#61;{SIGNATURE}",
        f"sig\t=\n{SIGNATURE}",
        f"AccountName=x;AccountKey={SIGNATURE};EndpointSuffix=core.windows.net",
        f"AccountKey = {SIGNATURE}",
        f"accountkey%3D{SIGNATURE}",
        f'"AccountKey": "{SIGNATURE}"',
        f"BlobEndpoint=x;SharedAccessSignature=sv=1&sig={SIGNATURE}",
        f"SharedAccessSignature = sv=1&sig={SIGNATURE}",
        f"SharedKey account:{SIGNATURE}",
        f"Authorization: SharedKeyLite account : {SIGNATURE}",
        f"sharedkey%20account%3A{SIGNATURE}",
        f"Authorization: Bearer {SIGNATURE}",
        f"authorization: bearer {SIGNATURE}",
        f"Authorization%3A%20Bearer%20{SIGNATURE}",
        f'{{"Authorization":"Basic {SIGNATURE}abcdefgh"}}',
        f"PrimaryKey: {SIGNATURE}abcdefgh",
        f"the key {SIGNATURE} was not accepted ({SIGNATURE})",
    ],
)
def test_no_secret_is_left(text: str) -> None:
    shown = redact(text, SIGNATURE) if "the key" in text else redact(text)
    assert SIGNATURE not in shown
    assert "***" in shown


@pytest.mark.parametrize("value", [DRAWN, ACCOUNT_KEY])
@pytest.mark.parametrize(
    "around",
    ["{}", "no {} here", "({})", "x={}", '"{}"', "%22{}%22", "c/{}", "{}&se=1", "a,{},b", "k:{};"],
)
def test_a_signature_and_an_account_key_are_found_by_their_shape(value: str, around: str) -> None:
    for spelled in encoded(value):
        shown = redact(around.format(spelled))
        assert not [piece for piece in pieces(value) if piece in shown], spelled


@pytest.mark.parametrize("value", [DRAWN, ACCOUNT_KEY])
@pytest.mark.parametrize(
    "around",
    ["sig={}", "sig: {}", "https://a/b?sv=1&sig={}&se=1", "AccountKey={};x", '"sig": "{}"'],
)
def test_a_named_signature_is_found_where_a_form_made_blanks_of_it(value: str, around: str) -> None:
    shown = redact(around.format(value.replace("+", " ")))
    assert not [piece for piece in re.split("[^A-Za-z0-9]", value) if piece and piece in shown]


def test_a_token_is_found_by_its_shape() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL20ifQ.c2lnbmF0dXJlLW9mLXRoZQ"
    assert redact(f"token {token} is too old") == "token *** is too old"


@pytest.mark.parametrize(
    "secret",
    ["ab+/c=", 'tK9/+="q\\u0041 8dJ3-Zr', "p4ss;word=In/Xq7Zk2Lm9?", "schlüssel+ß/12345", DRAWN],
)
def test_a_known_value_is_found_in_every_spelling(secret: str) -> None:
    redactor = Redactor(secret)
    for spelled in encoded(secret):
        shown = redactor.text(f"bad key {spelled} given")
        assert shown.replace('"', "").replace("\\", "") == "bad key *** given", spelled


@pytest.mark.parametrize("secret", ["first-line\nsecond-line\r\n", "\ttabbed value\t12"])
def test_a_known_value_of_several_lines_is_found_in_json_and_without_its_ends(secret: str) -> None:
    redactor = Redactor(secret)
    for spelled in (secret, json.dumps(secret), json.dumps(json.dumps(secret)), secret.strip()):
        shown = redactor.text(f"bad key {spelled} given")
        assert not [piece for piece in ("first", "second", "tabbed") if piece in shown]


@pytest.mark.parametrize("form", ["&#{0};", "&#x{0:x};", "&#x{0:X};"])
def test_a_known_value_is_found_in_html_whose_characters_are_numbers(form: str) -> None:
    secret = "p4ss;word=In/Xq7Zk2Lm9?"
    spelled = "".join(c if c.isalnum() else form.format(ord(c)) for c in secret)
    assert Redactor(secret).text(f"bad key {spelled} given") == "bad key *** given"


def test_a_known_value_is_found_inside_of_base64() -> None:
    secret = "p4ss;word=In/Xq7Zk2Lm9?"
    for before in ("", "u:", "user:"):
        inside = base64.b64encode(f"{before}{secret}".encode()).decode()
        shown = Redactor(secret).text(f"given <{inside}>")
        assert not [inside[at : at + 16] for at in (4, 10) if inside[at : at + 16] in shown]


@pytest.mark.parametrize("size", [21, 22, 23])
@pytest.mark.parametrize(("before", "cut"), [("", 0), ("u", 2), ("us", 3)])
def test_all_of_a_known_value_is_found_inside_of_base64(before: str, cut: int, size: int) -> None:
    secret = "p4ss;word=In/Xq7Zk2Lm9?"[:size]
    size += len(before)
    inside = base64.b64encode(f"{before}{secret}{'x' * (6 - size % 3)}".encode()).decode()
    # The last character is also of what follows, unless three bytes end there.
    end = size // 3 * 4 + (size % 3 and size % 3)
    shown = Redactor(secret).text(f"given <{inside}>")
    assert shown == f"given <{inside[:cut]}***{inside[end:]}>"
    by_url = inside.replace("+", "-").replace("/", "_")
    shown = Redactor(secret).text(f"given <{by_url}>")
    assert shown == f"given <{by_url[:cut]}***{by_url[end:]}>"


def test_a_value_with_half_a_character_is_hidden_like_any_other() -> None:
    assert Redactor("abcd\ud800efgh").text("it is abcd\ud800efgh here") == "it is *** here"


def test_a_known_value_is_hidden_with_the_end_of_its_line() -> None:
    assert Redactor("abcdefgh\n").text("it is abcdefgh\nhere") == "it is ***here"
    assert Redactor("abcdefgh\n").text("it is abcdefgh here") == "it is *** here"


def test_the_keys_in_a_connection_string_are_known_too() -> None:
    connection = f"AccountName=x;AccountKey={ACCOUNT_KEY[:-2]}QQ;Other=1"
    redactor = Redactor(connection, f"BlobEndpoint=x;SharedAccessSignature=sv=1&sig={SIGNATURE}")
    assert redactor.text(f"it is {ACCOUNT_KEY[:-2]}QQ") == "it is ***"
    assert redactor.text("it is c2lnbmF0dXJl=") == "it is ***"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "design=new",
        "what? a big sigh",
        "assigned=1&x=2",
        "Signature did not match.",
        "basic authentication is off",
        "d41d8cd98f00b204e9800998ecf8427e",
        "1B2M2Y8AsgTpgAmY7PhCfg==",
        '"0x8DC1234567890AB"',
        "census/2024-01/region=eu/new.csv",
        "training-data/Some/Long/Path/With/Capitals/In/year=2024/month=01/x.csv",
        "runs/Sample-Pipeline/sample-0123456789abcdef0123/1/model.ilearner",
        "0123456789abcdef0123456789abcdef",
        "550e8400-e29b-41d4-a716-446655440000",
        "0.12345678",
        "-1.5e-07",
        "2026-03-01T12:00:00+00:00",
        "https://ussouthcentral.services.azureml.net/workspaces/0/services/a/jobs?api-version=2.0",
        "api_key: ${CENSUS_TRAINING_KEY}",
    ],
)
def test_harmless_text_is_not_touched(text: str) -> None:
    assert redact(text, "") == text
    assert redact(text, "1234", "2345678", "true", "new", "error") == text


def test_a_word_that_the_file_says_in_clear_is_no_secret() -> None:
    redactor = Redactor("production", "other-secret", public=frozenset({"production"}))
    redactor.learn("production")
    assert redactor.text("production has other-secret") == "production has ***"


def test_a_number_is_hidden_only_where_it_is_the_secret() -> None:
    redactor = Redactor("12345678", "1000")
    assert redactor.text("12345678") == "***"
    assert redactor.text("0.12345678") == "0.12345678"
    assert redactor.text("1000") == "1000"
    assert redactor.text("pin 1000 of 10002") == "pin *** of 10002"


def test_what_is_clean_is_not_changed_by_a_second_cleaning() -> None:
    dirty = f"https://a/b?sig={SIGNATURE} AccountKey = {ACCOUNT_KEY} Bearer abc SharedKey a:{DRAWN}"
    once = redact(dirty)
    assert redact(once) == once


def test_a_service_cannot_have_the_app_hide_what_it_compares() -> None:
    redactor = Redactor()
    redactor.learn_from_service(
        "models/runs/sample/sample-1/1/model.ilearner", "runs/sample", "", "short"
    )
    assert redactor.text(MODEL.name) == MODEL.name
    assert redactor.text("short") == "short"
    redactor.learn_from_service("told-by-the-service")
    assert redactor.text("key told-by-the-service") == "key ***"


def test_keys_that_are_told_never_push_out_those_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.core.redaction._MOST", 50)
    redactor = Redactor("of-the-settings")
    redactor.learn_from_service(*(f"told-{number:08d}" for number in range(60)))
    assert redactor.text("of-the-settings") == "***"
    assert redactor.text("told-00000059") == "***"
    assert redactor.text("told-00000011") == "***"  # with that of the settings they are fifty
    assert redactor.text("told-00000010") == "told-00000010"
    assert redactor.text("told-00000001") == "told-00000001"


@dataclass(frozen=True)
class Holder:
    name: str
    many: tuple[str, ...]
    by_name: dict[str, list[str]]
    blob: BlobVersion
    number: float = 1.5


def test_everything_that_holds_texts_is_cleaned_and_what_is_kept_is_not() -> None:
    named = blob("secret-value.csv")
    holder = Holder("a secret-value", ("secret-value",), {"secret-value": ["secret-value"]}, named)
    clean = Redactor("secret-value").clean(holder, keep=(BlobVersion,))
    assert clean == Holder("a ***", ("***",), {"***": ["***"]}, named)
    probe = ProbeAnswers(
        seen=ProbeOutcome.GOOD, columns=("secret-value",), rows=(("secret-value", "1"),)
    )
    look = Redactor("secret-value").clean(
        EndpointCheck(UpdateProgress.DONE, probe, "m/secret-value", "x")
    )
    assert "secret-value" not in repr(look)
    assert (look.progress, look.probe and look.probe.seen) == (
        UpdateProgress.DONE,
        ProbeOutcome.GOOD,
    )


def test_what_is_nested_too_deeply_is_hidden_instead_of_followed() -> None:
    deep: list[object] = ["secret-value"]
    for _ in range(5_000):
        deep = [deep]
    assert "secret" not in repr(Redactor("secret-value").clean(deep))


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
    "piece",
    [
        "?",
        "sig=",
        "?sig",
        "sig ",
        "sig \\",
        "sig\\\\u0022",
        "\\\\u0022",
        "sig&quot;",
        "Bearer ",
        "SharedKey a",
        "AccountKey ",
        "%3F",
        "%2B",
        "%25",
        "sig%3D?",
        "sig%20",
        "<'",
        "eyJ",
        "eyJaaaaaa.",
        "A",
        "A-",
        "A=",
        "AbC/",
        "9",
        "\\",
    ],
)
def test_no_text_takes_long_whatever_is_in_it(piece: str) -> None:
    many = Redactor(DRAWN, "ab+/c=", 'tK9/+="q\\u0041 8dJ3-Zr')
    many.text("sig" + piece * (100_000 // len(piece)) + "x")  # by its square it takes hours
    redact(piece * (100_000 // len(piece)))


@pytest.mark.parametrize(
    ("character", "spelled"),
    [
        *(("<", "&lt;"), (">", "&gt;"), ("&", "&amp;"), ('"', "&quot;"), ("'", "&apos;")),
        *((" ", "+"), ("+", " "), ("+", "-"), ("/", "_"), ("\n", r"\n"), ("\r", r"\r")),
        *(("\t", r"\t"), ("\n", r"\\\\n"), ("/", r"\/"), ("ß", "%C3%9F"), ("ß", "%25c3%259f")),
        *(
            ("ß", r"\u00df"),
            ("ß", r"\\u00DF"),
            ("ß", "&#223;"),
            ("ß", "&#xDF;"),
            ("=", "%2525253D"),
        ),
    ],
)
def test_each_character_of_a_known_value_is_found_as_others_write_it(
    character: str, spelled: str
) -> None:
    redactor = Redactor(f"Abcdef{character}Ghijkl")
    assert redactor.text(f"it is Abcdef{spelled}Ghijkl here") == "it is *** here"
    assert redactor.text(f"it is Abcdef{spelled}x") == f"it is Abcdef{spelled}x"


def test_a_value_that_ends_with_its_padding_is_found_without_it() -> None:
    redactor = Redactor("c2VjcmV0MQ==")
    for spelled in ("c2VjcmV0MQ==", "c2VjcmV0MQ", "c2VjcmV0MQ%3D", "c2VjcmV0MQ%3D%3D"):
        assert redactor.text(f"it is {spelled} here") == "it is *** here"
    assert redactor.text("it is c2VjcmV0MQ=== here") == "it is ***= here"
    assert Redactor("abc==").text("abc= or abc==") == "abc= or ***"
    assert Redactor("abcdefgh==").text("it is abcdefgh here") == "it is *** here"
    assert Redactor("abcdefg==").text("it is abcdefg here") == "it is abcdefg here"


@pytest.mark.parametrize(
    "word", ["true", "False", "null", "NONE", "nan", "error", "code", "message"]
)
def test_a_usual_word_is_no_secret(word: str) -> None:
    assert Redactor(word).text(f"a {word} here") == f"a {word} here"


def test_a_short_value_is_a_secret_from_four_characters_on_where_it_stands_alone() -> None:
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


def test_a_key_that_a_service_tells_is_a_secret_from_eight_characters_on() -> None:
    redactor = Redactor()
    redactor.learn_from_service("abcdefg", "hijklmno", "runs/abcdefgh")
    assert redactor.text("abcdefg hijklmno runs/abcdefgh") == "abcdefg *** runs/abcdefgh"


@pytest.mark.parametrize("count", [10, 64, 65, 200])
def test_a_value_is_found_among_however_many_are_known(count: int) -> None:
    known = [f"key-{number:08d}" for number in range(count)]
    redactor = Redactor(*known, "a b-c!d e-f!")  # the last has nothing to look for first
    text = f"it is {known[0]} or {known[-1]} or a b-c!d e-f!."
    assert redactor.text(text) == "it is *** or *** or ***."


def test_texts_are_cleaned_in_every_kind_of_collection_sixty_levels_deep() -> None:
    redactor = Redactor("secret-value")
    for kind in (list, tuple, set, frozenset):
        assert redactor.clean(kind(["secret-value", "b"])) == kind(["***", "b"])
    deep: object = "secret-value here"
    for _ in range(60):
        deep = [deep]
    assert repr(redactor.clean(deep)) == "[" * 60 + "'*** here'" + "]" * 60
    assert repr(redactor.clean([deep])) == "[" * 61 + "'***'" + "]" * 61


@dataclass(frozen=True)
class Nest:
    inner: object


class Shell(BaseModel):
    inner: Any


@pytest.mark.parametrize("nest", [Nest, lambda inner: Shell(inner=inner), lambda one: {"in": one}])
def test_fields_members_and_keys_are_followed_as_deeply(nest: Callable[[object], object]) -> None:
    def nested(levels: int, inner: object) -> object:
        for _ in range(levels):
            inner = nest(inner)
        return inner

    redactor = Redactor("secret-value")
    assert redactor.clean(nested(60, "secret-value here")) == nested(60, "*** here")
    hidden = redactor.clean(nested(61, "secret-value here"))
    assert "here" not in repr(hidden)
    assert repr(hidden).count("***") == (2 if isinstance(hidden, dict) else 1)


def test_what_holds_no_secret_is_the_same_object_afterwards() -> None:
    holder = Holder("a", ("b",), {"c": ["d"]}, blob())
    assert Redactor("secret-value").clean(holder) is holder
    assert Redactor("secret-value").clean(Holder) is Holder
    assert Redactor("secret-value").clean(None) is None


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


def test_what_cannot_be_printed_is_shown_as_an_escape() -> None:
    assert one_line("a\nb\x00ä") == r"a\nb\x00ä"
    assert one_line("plain ä") == "plain ä"


@pytest.mark.parametrize(
    "name",
    [
        *("signature", "PrimaryKey", "secondary key", "api_key", "access-key", "client_secret"),
        *("clientsecret", "authorization", "x-functions-key"),
    ],
)
def test_a_value_beside_the_name_of_a_secret_is_hidden_from_sixteen_characters_on(
    name: str,
) -> None:
    assert redact(f"{name}: abcdefghijklmnop.") == f"{name}: ***"
    assert redact(f"{name}: abcdefghijklmno") == f"{name}: abcdefghijklmno"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sig=ab", "sig=***"),
        ("Bearer ab", "Bearer ***"),
        ("bearer+ab", "bearer+***"),
        ("Basic abcdefghijklmnop", "Basic ***"),
        ("Basic abcdefghijklmno", "Basic abcdefghijklmno"),
        ("SharedKey account:ab", "SharedKey account:***"),
        ("SharedAccessKey=ab;x=1", "SharedAccessKey=***;x=1"),
        ("sharedaccesssignature=ab", "sharedaccesssignature=***"),
        ("AccountKey=ab", "AccountKey=***"),
        ("https://a/b?x-amz-signature=ab&y=1, more", "https://a/b?*** more"),
        ("https://a/b?signature=ab", "https://a/b?***"),
        ("https://a/b%3Fx=1%26sig%3Dab", "https://a/b?***"),
        ("eyJabcde.f", "***"),
        ("eyJabcd.f", "eyJabcd.f"),
        ("xeyJabcde.f", "xeyJabcde.f"),
        ("design: ab", "design: ab"),
    ],
)
def test_a_secret_is_found_by_what_stands_before_it(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("pad", ["=", "%3D", "%253d", r"\u003d", "&#61;", "&#x3D;"])
def test_the_shape_of_a_signature_is_known_by_its_padding(pad: str) -> None:
    assert redact(f"it is {DRAWN.rstrip('=')}{pad} here") == "it is *** here"
    plain = DRAWN.rstrip("=")
    assert redact(f"it is {plain} here") == f"it is {plain} here"


def test_what_has_no_capitals_is_no_signature_whatever_its_length() -> None:
    for word in (DRAWN.lower(), DRAWN.upper()):
        assert redact(f"it is {word} here") == f"it is {word} here"


def test_many_known_keys_cost_no_more_than_the_length_of_the_text() -> None:
    many = Redactor(*(hashlib.sha256(str(one).encode()).hexdigest() for one in range(10_000)))
    text = "x y z " * 1000 + hashlib.sha256(b"77").hexdigest()
    assert many.text(text).endswith("***")


def test_a_known_value_is_found_inside_of_the_base64_of_urls() -> None:
    secret = "~~~???>>>~~~???>>>"
    plain = base64.b64encode(secret.encode()).decode()
    assert "+" in plain
    assert "/" in plain
    for written in (plain, base64.urlsafe_b64encode(secret.encode()).decode()):
        assert written[:-4] not in Redactor(secret).text(f"token {written}")
