"""Signatures, keys and tokens are found by their shape."""

import re

import pytest

from shared.core.redaction import redact
from tests.unit.core.test_redaction import ACCOUNT_KEY, DRAWN, encoded


def pieces(value: str) -> list[str]:
    return [piece for piece in (value[:12], value[1:20], value[12:22]) if piece.isalnum()]


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
        (f"by ghp_{'A1b2' * 9}.", "by ***."),
        (f"github_pat_{'A1b2' * 9}", "***"),
        ("xoxb-123456789012-ab, xoxo", "***, xoxo"),
        ("id AKIAIOSFODNN7EXAMPLE", "id ***"),
        ("https://hooks.slack.com/services/T0/B0/ab", "https://hooks.slack.com/services/***"),
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
def test_a_secret_is_found_by_what_is_before_it(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("pad", ["=", "%3D", "%253d", r"\u003d", "&#61;", "&#x3D;"])
def test_the_shape_of_a_signature_is_known_by_its_padding(pad: str) -> None:
    assert redact(f"it is {DRAWN.rstrip('=')}{pad} here") == "it is *** here"
    plain = DRAWN.rstrip("=")
    assert redact(f"it is {plain} here") == f"it is {plain} here"


def test_a_text_without_capitals_of_any_length_is_not_a_signature() -> None:
    for word in (DRAWN.lower(), DRAWN.upper()):
        assert redact(f"it is {word} here") == f"it is {word} here"
