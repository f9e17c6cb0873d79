"""host.json, local.settings.json and expressions."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local.host.config import HostConfig, RefusedError, parse_timeout
from local.host.logs import without_secrets


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:05:00", 300), ("1.00:00:00.5", 86400.5), ("-1", float("inf")), (None, 1800)],
)
def test_function_timeouts(text: str | None, seconds: float) -> None:
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize("text", ["5 minutes", "05:00", "-2", ""])
def test_refused_timeouts(text: str) -> None:
    with pytest.raises(RefusedError, match="hh:mm:ss"):
        parse_timeout(text)


def _config(
    folder: Path, host: object, values: object = None, **options: float | None
) -> HostConfig:
    (folder / "function_app.py").touch()
    (folder / "host.json").write_text(json.dumps(host))
    if values is not None:
        (folder / "local.settings.json").write_text(json.dumps({"Values": values}))
    return HostConfig.load(folder, **options)  # type: ignore[arg-type]  # two floats, by name


def test_settings_count_before_host_json_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Storage", "from a shell")
    values = {
        "Storage": "from the file",
        "AzureFunctionsJobHost__functionTimeout": "00:00:07",
        "AzureFunctionsJobHost__extensions__blobs__poisonBlobThreshold": "2",
    }
    config = _config(tmp_path, {"functionTimeout": "00:01:00"}, values)
    assert config.environment["Storage"] == "from the file"
    assert config.function_timeout == 7
    assert config.extension("blobs") == {"poisonBlobThreshold": "2"}
    assert "from the file" not in repr(config)


@pytest.mark.parametrize(("option", "expected"), [(3.0, 3.0), (-1.0, None), (None, None)])
def test_the_option_counts_before_all(
    tmp_path: Path, option: float | None, expected: float | None
) -> None:
    config = _config(tmp_path, {"functionTimeout": "-1"}, function_timeout=option)
    assert config.function_timeout == expected


def test_defaults(tmp_path: Path) -> None:
    config = _config(tmp_path, {"version": "2.0"})
    assert config.route_prefix == "api"
    assert config.host_id.startswith("local-")
    assert config.environment["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "JSON"),
        ("[]", "no JSON object"),
        ('{"IsEncrypted": true, "Values": {}}', "unencrypted"),
        ('{"Values": []}', "under Values"),
        ('{"Values": {"A": 1, "B": "x"}}', "not text: A$"),
    ],
)
def test_refused_settings(
    refused_app: Callable[[str], Path], tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(RefusedError, match=message):
        HostConfig.load(refused_app(""), tmp_path / "settings.json")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"no function_app\.py"):
        HostConfig.load(tmp_path)
    (tmp_path / "function_app.py").touch()
    with pytest.raises(RefusedError, match=r"host\.json does not exist"):
        HostConfig.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "https://h/c/b?sv=1&sig=verysecret%3D&se=2",
        "AccountName=a;AccountKey=verysecret==;X=1",
        "Authorization: Bearer verysecret",
        "http://h/api/x?code=verysecret",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "verysecret" not in without_secrets(text)
    assert "***" in without_secrets(text)
