"""Known secrets are found in every spelling, and harmless text stays."""

import base64
import hashlib
import json
from urllib.parse import quote

import pytest

from shared.core.redaction import Redactor, redact
from tests.unit.samples import MODEL

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
    # The last character also depends on the next byte, unless three bytes end there.
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
def test_harmless_text_is_not_changed(text: str) -> None:
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


def test_a_redacted_text_is_not_changed_by_a_second_redaction() -> None:
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
    redactor.learn_from_service("reported-by-the-service")
    assert redactor.text("key reported-by-the-service") == "key ***"


def test_keys_that_are_reported_never_push_out_those_of_the_settings(
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
def test_no_text_takes_long_with_any_content(piece: str) -> None:
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
