import json
from datetime import timedelta
from pathlib import Path

import pytest

from shared.config.file_locations import FileLocation
from shared.config.settings import Problem, connection_name, read_settings
from shared.core.config.setting_references import resolve
from shared.errors import ConfigError

GOOD = {
    "AzureWebJobsStorage": "AccountName=mine;AccountKey=a2V5",
    "TRAINING_DATA_CONTAINER": "training-data",
    "MODELS_CONTAINER": "models",
    "LEDGER_CONTAINER": "ledger",
}


def problems(root: Path, **changes: str) -> list[str]:
    return [str(problem) for problem in read_settings({**GOOD, **changes}, root).problems]


def host(root: Path, content: object) -> None:
    (root / "host.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_good_settings_have_no_problems_and_the_documented_defaults(tmp_path: Path) -> None:
    settings = read_settings(GOOD, tmp_path)
    assert settings.problems == ()
    assert settings.pipelines == FileLocation(tmp_path / "pipelines.yaml")
    assert settings.lease == timedelta(minutes=6)
    assert (settings.check_interval_min, settings.check_interval_max) == (
        timedelta(seconds=30),
        timedelta(minutes=5),
    )
    assert not settings.development


def test_everything_wrong_is_reported_at_once_by_name(tmp_path: Path) -> None:
    named = {problem.where for problem in read_settings({}, tmp_path).problems}
    assert named == {
        "TRAINING_DATA_CONTAINER",
        "MODELS_CONTAINER",
        "LEDGER_CONTAINER",
        "DataStorage",
        "ModelsStorage",
        "LedgerStorage",
        "EventsStorage",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAINING_DATA_CONTAINER", ""),
        ("MODELS_CONTAINER", ""),
        ("MODELS_CONTAINER", "Models"),
        ("MODELS_CONTAINER", "models/trained"),
        ("MODELS_CONTAINER", "my--models"),
        ("MODELS_CONTAINER", "<models>"),
        ("LEDGER_CONTAINER", "@Microsoft.KeyVault(SecretUri=https://v/s)"),
        ("BLOB_SOURCE", "Polling"),
        ("CLAIM_LEASE", "soon"),
        ("CLAIM_LEASE", "5m"),
        ("CLAIM_LEASE", "99999999999d"),
        ("POLL_SCHEDULE", "every minute"),
        ("POLL_SCHEDULE", "0 0 0 31 2 *"),
        ("POLL_SCHEDULE", "00:01:00"),
        ("SCHEDULE_TICK", "0 0 3 * * 7"),
        ("SCHEDULE_TICK", "0 0 3 ? * MON"),
        ("CHECK_INTERVAL_MIN", "30"),
        ("CHECK_INTERVAL_MAX", "-5m"),
        ("AZUREML_ARM_SCOPE", "https://management.azure.com"),
        ("AZUREML_ML_SCOPE", '"https://ml.azure.com/.default"'),
        ("AzureFunctionsJobHost__functionTimeout", "5m"),
        ("CHECK_INTERVAL_MIN", "0s"),
        ("CHECK_INTERVAL_MIN", "5m1s"),
        ("CHECK_INTERVAL_MAX", "0s"),
        ("CLAIM_LEASE", "0s"),
        ("AzureFunctionsJobHost__functionTimeout", "0s"),
        ("AzureFunctionsJobHost__functionTimeout", "00:00:00"),
        ("AzureFunctionsJobHost__functionTimeout", "never"),
        ("AzureFunctionsJobHost__functionTimeout", "-1"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_raised(
    tmp_path: Path, name: str, value: str
) -> None:
    (reported,) = problems(tmp_path, **{name: value})
    assert reported.startswith(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PIPELINES_FILE",
            "BLOB_SOURCE",
            "CLAIM_LEASE",
            "CHECK_INTERVAL_MIN",
            "CHECK_INTERVAL_MAX",
        ),
        *("AzureFunctionsJobHost__functionTimeout", "AZURE_FUNCTIONS_ENVIRONMENT", "DataStorage"),
    ],
)
def test_a_setting_that_is_empty_is_one_that_is_not_set(tmp_path: Path, name: str) -> None:
    assert read_settings({**GOOD, name: ""}, tmp_path) == read_settings(GOOD, tmp_path)


def test_the_least_pause_between_checks_is_not_longer_than_the_most(tmp_path: Path) -> None:
    (reported,) = problems(tmp_path, CHECK_INTERVAL_MIN="2m", CHECK_INTERVAL_MAX="1m")
    assert reported == (
        "CHECK_INTERVAL_MIN: 2m is longer than CHECK_INTERVAL_MAX: CHECK_INTERVAL_MAX is 1m, "
        "change one of them"
    )
    assert problems(tmp_path, CHECK_INTERVAL_MIN="1m", CHECK_INTERVAL_MAX="1m") == []


def test_no_time_at_all_switches_no_guard_off(tmp_path: Path) -> None:
    host(tmp_path, {"functionTimeout": "00:00:00"})
    assert [text.partition(":")[0] for text in problems(tmp_path, CLAIM_LEASE="1s")] == [
        "functionTimeout",
        "CLAIM_LEASE",
    ]


@pytest.mark.parametrize(
    ("data", "models", "ledger", "says"),
    [
        ("aaa", "aaa", "bbb", "MODELS_CONTAINER: names the same container as TRAINING_DATA_CON"),
        ("aaa", "bbb", "aaa", "LEDGER_CONTAINER: names the same container as TRAINING_DATA_CON"),
        ("bbb", "aaa", "aaa", "LEDGER_CONTAINER: names the same container as MODELS_CONTAINER"),
    ],
)
def test_containers_must_differ(
    tmp_path: Path, data: str, models: str, ledger: str, says: str
) -> None:
    (reported,) = problems(
        tmp_path, TRAINING_DATA_CONTAINER=data, MODELS_CONTAINER=models, LEDGER_CONTAINER=ledger
    )
    assert reported.startswith(says)


@pytest.mark.parametrize(
    ("in_host", "in_setting", "lease", "fits"),
    [
        (None, None, "5m1s", True),
        (None, None, "5m", False),
        ("00:05:00", None, "6m", True),
        ("00:10:00", None, "6m", False),
        ("00:10:00", None, "11m", True),
        ("00:10:00", "00:05:00", "6m", True),
        ("00:05:00", "00:10:00", "6m", False),
        ("1.00:00:00", None, "1d1s", True),
    ],
)
def test_a_claim_outlives_the_longest_invocation(
    tmp_path: Path, in_host: str | None, in_setting: str | None, lease: str, *, fits: bool
) -> None:
    if in_host:
        host(tmp_path, {"version": "2.0", "functionTimeout": in_host})
    changes = {"AzureFunctionsJobHost__functionTimeout": in_setting} if in_setting else {}
    reported = problems(tmp_path, CLAIM_LEASE=lease, **changes)
    assert bool(reported) is not fits
    assert all("CLAIM_LEASE" in text for text in reported)


@pytest.mark.parametrize("content", ["{not json", "[]", "null", {"functionTimeout": None}])
def test_a_host_json_that_cannot_be_read_is_reported_and_not_raised(
    tmp_path: Path, content: object
) -> None:
    host(tmp_path, content)
    (reported,) = problems(tmp_path)
    assert "host.json" in reported


@pytest.mark.parametrize(
    ("environment", "used"),
    [
        ({"DataStorage": "x"}, "DataStorage"),
        ({"DataStorage__blobServiceUri": "https://x"}, "DataStorage"),
        ({"DataStorage__serviceUri": "https://x"}, "DataStorage"),
        ({"AzureWebJobsStorage": "x"}, "AzureWebJobsStorage"),
        ({"AzureWebJobsStorage__blobServiceUri": "https://x"}, "AzureWebJobsStorage"),
        ({"AzureWebJobsStorage__accountName": "x"}, "AzureWebJobsStorage"),
        ({"DataStorage": "x", "AzureWebJobsStorage": "y"}, "DataStorage"),
        ({"DataStorage": "", "AzureWebJobsStorage": "y"}, "AzureWebJobsStorage"),
        ({"DataStorage__queueServiceUri": "https://x"}, None),
        ({}, None),
    ],
)
def test_a_connection_is_found_in_each_of_its_forms(
    environment: dict[str, str], used: str | None
) -> None:
    assert connection_name(environment, "DataStorage") == used


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"DataStorage__blobServiceUri": "https://x"}, ["DataStorage"]),
        ({"ModelsStorage__serviceUri": "https://x"}, ["ModelsStorage"]),
        ({"LedgerStorage__blobServiceUri": "https://x"}, []),
        (
            {"AzureWebJobsStorage": "", "AzureWebJobsStorage__blobServiceUri": "https://x"},
            ["AzureWebJobsStorage"],
        ),
        ({"AzureWebJobsStorage": "", "AzureWebJobsStorage__accountName": "account"}, []),
        (
            {
                "DataStorage": GOOD["AzureWebJobsStorage"],
                "DataStorage__blobServiceUri": "https://x",
            },
            [],
        ),
        ({"DataStorage__blobServiceUri": "https://x", "DataStorage__accountName": "account"}, []),
        (
            {
                "DataStorage__blobServiceUri": "https://x",
                "DataStorage__queueServiceUri": "https://q",
            },
            [],
        ),
        (
            {"DataStorage__blobServiceUri": "https://x", "DataStorage__queueServiceUri": ""},
            ["DataStorage"],
        ),
    ],
)
def test_an_identity_that_is_to_trigger_needs_the_queue_as_well(
    tmp_path: Path, changes: dict[str, str], missing: list[str]
) -> None:
    reported = problems(tmp_path, **changes)
    assert [text.partition(":")[0] for text in reported] == [
        f"{n}__queueServiceUri" for n in missing
    ]
    assert all("Storage Queue Data Contributor" in text for text in reported)


def test_only_the_word_development_makes_it_development(tmp_path: Path) -> None:
    for text, expected in (("Development", True), ("Production", False), ("true", False)):
        settings = read_settings({**GOOD, "AZURE_FUNCTIONS_ENVIRONMENT": text}, tmp_path)
        assert settings.development is expected


def test_references_are_replaced_and_other_text_stays() -> None:
    assert resolve({"A": "1", "B": "${A}"}, "x${A}y${A}") == "x1y1"
    assert resolve({"A": "1"}, "$A {A} $(A)") == "$A {A} $(A)"


def test_the_value_of_one_setting_is_not_searched_for_others() -> None:
    environment = {"A": "${B}", "B": "SECRET"}
    assert resolve(environment, "${A} ${B}") == "${B} SECRET"


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}])
def test_a_missing_setting_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="KEY"):
        resolve(environment, "${KEY}")


def test_a_problem_says_where_what_and_how_to_correct_it() -> None:
    assert str(Problem("X", "is wrong", "correct it")) == "X: is wrong: correct it"
    assert str(Problem("X", "is wrong")) == "X: is wrong"


def test_a_schedule_of_a_timer_that_does_less_than_it_seems_has_a_hint(tmp_path: Path) -> None:
    settings = read_settings({**GOOD, "POLL_SCHEDULE": "0 */90 * * * *"}, tmp_path)
    assert settings.problems == ()
    (hint,) = settings.hints
    assert (hint.where, "fires only at 0" in hint.what) == ("POLL_SCHEDULE", True)
    assert settings.poll_schedule == "0 */90 * * * *"
