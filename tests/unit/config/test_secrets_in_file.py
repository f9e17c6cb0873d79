"""Secrets in the pipelines file are refused, and no message repeats them."""

import base64
import hashlib
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.unit.config.pipelines_file import both, put
from tests.unit.config.written_file import SECRET, load_one, reported
from tests.unit.samples import BASE, UPDATE

# Secrets that are written out


@pytest.mark.parametrize(
    "query",
    [
        f"sig={SECRET}",
        f"api-version=2.0&sig={SECRET}",
        f"api-version=2.0&SIG={SECRET}",
        f"api-version=2.0&s%69g={SECRET}",
        f"api-version=2.0&code={SECRET}",
        f"api-version={SECRET}",
        f"api-version=2.0;sig={SECRET}",
        f"api-version=2.0&details={SECRET}",
        f"api-version=2.0&format={SECRET}9",
        f"api-version=2.0&api-version=2.0&sv={SECRET}",
        f"api-version=2.0&{SECRET}",
        f"{SECRET}=",
        f"api-version=2.0%26sig%3D{SECRET}",
    ],
)
@pytest.mark.parametrize("location", ["training.service", "verify.score", "update"])
def test_a_query_that_is_not_documented_is_refused_and_never_repeated(
    folder: Path, location: str, query: str
) -> None:
    path, url = {
        "training.service": ("training.service", f"{BASE}/jobs"),
        "verify.score": ("endpoints.0.verify.score", f"{BASE}/execute"),
        "update": ("endpoints.0.update", UPDATE),
    }[location]
    found = load_one(folder, put(path, f"{url}?{query}"))
    assert found.pipelines == {}
    assert "remove it" in reported(found)
    assert f"={SECRET}" not in reported(found)
    if not query.startswith(SECRET):
        assert SECRET not in reported(found)


def test_a_parameter_that_is_refused_is_named(folder: Path) -> None:
    found = load_one(folder, put("training.service", f"{BASE}/jobs?api-version=2.0&sig={SECRET}"))
    assert "the query parameter sig is not one of api-version, details, format" in reported(found)


@pytest.mark.parametrize(
    "path", [f"&sig={SECRET}", f";sig={SECRET}", f"%26sig%3D{SECRET}", f"%2526sig%253D{SECRET}"]
)
def test_a_signature_in_the_path_of_a_url_is_refused(folder: Path, path: str) -> None:
    for location in ("training.service", "endpoints.0.verify.score"):
        found = load_one(folder, put(location, BASE + path))
        assert found.pipelines == {}
        assert SECRET not in reported(found)
    found = load_one(folder, put("endpoints.0.update", UPDATE + path))
    assert found.pipelines == {}
    assert SECRET not in reported(found)


@pytest.mark.parametrize(
    "text",
    [
        f"https://a.blob.core.windows.net/c/b?sv=1&sig={SECRET}",
        f"https%3A%2F%2Fa%2Fc%3Fsig%3D{SECRET}",
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey = {SECRET}",
        f"Endpoint=sb://x;SharedAccessKey={SECRET}",
        f"SharedAccessSignature={SECRET}",
        f"Server=x;Password={SECRET}",
    ],
)
def test_a_signature_or_key_in_any_text_is_refused_and_never_repeated(
    folder: Path, text: str
) -> None:
    for change in (
        put("training.parameters", {"x": text}),
        put("training.parameters", {"rows": text}),
    ):
        found = load_one(folder, change)
        assert found.pipelines == {}
        assert "looks like a signature or a key" in reported(found)
        assert SECRET not in reported(found)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(hashlib.sha256(b"a signature").digest()).decode(),
        quote(base64.b64encode(hashlib.sha512(b"an account key").digest()).decode(), safe=""),
        "p4ss;word=In/Xq7Zk2Lm9Vb4?",
    ],
    ids=["signature", "account key", "value of a setting"],
)
def test_a_key_without_its_name_is_refused_as_a_value_and_as_a_key(folder: Path, text: str) -> None:
    """Else the file would say it in clear, and nothing would hide it any more."""
    for change in (
        put("training.parameters", {"x": text}),
        put("training.parameters", {text: "x"}),
        put("endpoints.0.resource", f"{text} [trained model]"),
        put("data.blob", f"{text}/{{name}}.csv"),
    ):
        found = load_one(folder, change, OTHER_PASSWORD=text)
        assert found.pipelines == {}
        assert "looks like a signature or a key" in reported(found)


def test_a_long_key_is_not_shown_in_part(folder: Path) -> None:
    found = load_one(folder, put("training", {SECRET * 9: "x"}))
    assert SECRET[:8] not in reported(found)
    assert "(a key of" in reported(found)


def test_a_text_that_names_an_app_setting_instead_of_a_key_is_taken(folder: Path) -> None:
    text = "AccountName=a;AccountKey=${TRAINING_KEY};design=1;config=x"
    assert load_one(folder, put("training.parameters", {"x": text})).problems == ()


def test_a_setting_that_is_not_set_is_reported_wherever_it_is_named(folder: Path) -> None:
    change = both(put("training.parameters", {"rows": "${NOT_SET}"}), put("when_busy", "queue"))
    assert "app setting NOT_SET is not set" in reported(load_one(folder, change))


@pytest.mark.parametrize("login", ["@", ":@", "user@", "user:pass@"])
def test_every_form_of_a_login_in_a_url_is_refused(folder: Path, login: str) -> None:
    url = f"{BASE}/jobs".replace("https://", f"https://{login}")
    found = load_one(folder, put("training.service", url))
    assert "must not carry a user name or password" in reported(found)
