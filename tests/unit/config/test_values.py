"""Single values of settings, and settings whose names are misspelt."""

from pathlib import Path

import pytest

from shared.config.settings import read_settings

GOOD = {
    "TRAINING_DATA_CONTAINER": "training-data",
    "MODELS_CONTAINER": "models",
    "LEDGER_CONTAINER": "ledger",
    "AzureWebJobsStorage": "AccountName=mine;AccountKey=a2V5;EndpointSuffix=core.windows.net",
}


def problems(tmp_path: Path, **changes: str) -> list[str]:
    return [str(one) for one in read_settings({**GOOD, **changes}, tmp_path).problems]


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("LEDGER_CONTANER", "LEDGER_CONTAINER"),
        ("ledger_container", "LEDGER_CONTAINER"),
        ("POLL-SCHEDULE", "POLL_SCHEDULE"),
        ("STORAGE_EVENT_QUEUE", "STORAGE_EVENTS_QUEUE"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_right_one(
    tmp_path: Path, given: str, right: str
) -> None:
    environment = {name: value for name, value in GOOD.items() if name != right}
    found = [str(one) for one in read_settings({**environment, given: "abc"}, tmp_path).problems]
    assert found[0] == f"{given}: is not read in this spelling: write {right}"


def test_a_setting_like_one_that_is_set_is_somebody_elses(tmp_path: Path) -> None:
    assert problems(tmp_path, LEDGER_CONTAINERS="abc") == []


@pytest.mark.parametrize("name", ["MODELS_CONTAINER", "STORAGE_EVENTS_QUEUE", "POLL_SCHEDULE"])
def test_quotes_and_blanks_around_a_value_are_reported(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, **{name: '"abc"'}) == [f"{name}: is in quotes: remove them"]
    assert problems(tmp_path, **{name: " abc"}) == [f"{name}: has blanks around it: remove them"]


@pytest.mark.parametrize("name", ["CLAIM_LEASE", "POLL_SCHEDULE", "MODELS_CONTAINER"])
def test_an_unresolved_key_vault_reference_is_reported(tmp_path: Path, name: str) -> None:
    (said,) = problems(tmp_path, **{name: "@Microsoft.KeyVault(SecretUri=https://v/s)"})
    assert said.startswith(f"{name}: its Key Vault reference is not resolved")


def test_quotes_around_the_path_of_the_pipelines_file_are_reported(tmp_path: Path) -> None:
    place = read_settings({**GOOD, "PIPELINES_FILE": '"pipelines.yaml"'}, tmp_path).pipelines
    assert str(place.problem) == "PIPELINES_FILE: is in quotes: remove them"


def test_a_timer_that_is_disabled_is_a_hint(tmp_path: Path) -> None:
    ways = ("on_training_data", "on_storage_events")
    off = {f"AzureWebJobs.{one}.Disabled": "true" for one in (*ways, "poll_jobs")}
    said = [str(one) for one in read_settings({**GOOD, **off}, tmp_path).hints]
    assert said[0] == "AzureWebJobs.poll_jobs.Disabled: is true: no open run continues"
    assert "the search finds it within 25 minutes" in said[1]
    del off["AzureWebJobs.poll_jobs.Disabled"], off["AzureWebJobs.on_training_data.Disabled"]
    assert not read_settings({**GOOD, **off}, tmp_path).hints
