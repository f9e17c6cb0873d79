"""Every row of the runbook's tables names what an operator finds, and the remedy."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from azure.core.exceptions import HttpResponseError

from shared.core.run.record import Phase
from shared.providers.azure_storage.errors import classify
from shared.providers.http.client import Answer
from tests.unit.filed import Filed
from tests.unit.intake.spoilt_files import gone, no_setting, no_yaml, typo
from tests.unit.parked_by_cause import (
    PARKED,
    Provoke,
    ended,
    no_rights,
    other_region,
    other_storage,
    wrong_input,
    wrong_key,
)
from tests.unit.worlds import Observed, refused

BOOK: Final = Path(__file__).parents[2] / "docs" / "runbook.md"
_CODE: Final = re.compile(r"`([^`]+)`")


def table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table under a heading: first cell -> the others."""
    text = BOOK.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row] for row in rows]
    heads = [at - 1 for at, row in enumerate(cells) if set(row[0]) == {"-"}]
    apart = {at for head in heads for at in (head, head + 1)}
    return {first: rest for at, (first, *rest) in enumerate(cells) if at not in apart}


def searched_for(cell: str) -> list[str]:
    """Return the search terms of a cell: each code, and its status."""
    return [*_CODE.findall(cell), *re.findall(r"HTTP \d+", cell)]


ROWS: Final = table("A run is parked")


@pytest.mark.parametrize("row", ROWS)
def test_a_parked_run_says_what_the_runbook_names_and_the_advice(
    row: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, *others = searched_for(row)
    _, run = PARKED[first]()
    assert run.phase is Phase.PARKED, run.reason
    reason, advice = str(run.reason), str(run.advice)
    for one in (first, *others):
        assert one in reason
        assert one in caplog.text
    reported, advice = f"{reason} {advice}", ROWS[row][-1]
    for named in _CODE.findall(advice):
        assert named.strip("{}") in reported or named.startswith("https://")
    for verb in ("retry", "cancel"):
        assert verb in reported or verb not in advice


def test_no_row_of_the_runbook_is_left_out() -> None:
    assert {searched_for(row)[0] for row in ROWS} == set(PARKED)


@pytest.mark.parametrize(
    ("provoke", "code", "words", "advice"),
    [
        (wrong_input, "InvalidInputNames", "Invalid service input name(s)", "training.inputs"),
        (other_region, "GetWorkspaceFailed", "Internal error.", "endpoints[].update"),
        (wrong_key, "ScoreRequestUnauthorized", "Invalid credentials", "training.api_key"),
        (no_rights, "AuthorizationFailed", "(HTTP 403)", "Contributor"),
        (
            lambda: other_storage(reported_late=True),
            "CannotChangeStorageAccount",
            "Currently configured",
            "ModelsStorage must be",
        ),
    ],
)
def test_the_code_comes_first_then_the_words_then_the_advice(
    provoke: Provoke, code: str, words: str, advice: str
) -> None:
    reason = str(provoke()[1].reason)
    assert reason.index(code) < reason.index(words) < reason.index(advice)


def test_a_run_that_waits_says_the_same_while_it_is_tried_again() -> None:
    world = Observed()
    world.environment["TRAINING_KEY"] = "b2xkLWtleS1vZi1hbm90aGVyLWVuZHBvaW50"
    world.restart()
    waiting = world.start()
    assert waiting.step_failure is not None
    assert waiting.step_failure.reason.startswith("create job: Unauthorized, ")
    assert "training.api_key" in waiting.step_failure.reason


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": {"code": "BrandNewFault", "message": "m"}}, "BrandNewFault: m"),
        ({"code": "ResourceNotFound", "message": "m"}, "ResourceNotFound: m"),
        ({"Error": {"Code": "Upper", "Message": "m"}}, "Upper: m"),
        (
            {"odata.error": {"code": "Request_X", "message": {"lang": "en", "value": "m"}}},
            "Request_X: m",
        ),
        ({"error": "invalid_client", "error_description": "AADSTS7000215: m"}, "invalid_client: A"),
        (
            {
                "error": {
                    "code": "UserError",
                    "message": "m",
                    "additionalInfo": [
                        {
                            "type": "InnerError",
                            "info": {"value": {"code": "A", "innerError": {"code": "Deepest"}}},
                        }
                    ],
                }
            },
            "UserError, A, Deepest: m",
        ),
        ({"error": {"code": "A", "message": "m", "innererror": {"code": "B"}}}, "A, B: m"),
        ({"error": {"code": "key c2VjcmV0LXRyYWluaW5nLWtleQ==", "message": "m"}}, "key ***: m"),
    ],
)
def test_a_code_that_no_contract_knows_is_shown_as_it_came(
    body: dict[str, Any], shown: str
) -> None:
    world = Observed()
    world.environment["TRAINING_KEY"] = "c2VjcmV0LXRyYWluaW5nLWtleQ=="
    world.restart()
    answer = Answer(400, {}, json.dumps(body).encode())
    world.script("POST", "/jobs", answer, None)
    _, run = ended(world)
    assert str(run.reason).startswith(f"create job: {shown}")


def test_an_update_that_is_answered_by_an_error_keeps_the_services_code() -> None:
    world = Observed()
    broken = refused(500, "InternalError", "The update failed: UpdateWebServiceResourceFailed.")
    world.script("PATCH", "/production", broken, None)
    _, run = ended(world)
    assert run.phase is Phase.UNCHANGED
    assert "InternalError: The update failed" in str(run.reason)


def test_a_job_that_failed_says_the_advice_of_the_code_among_its_details() -> None:
    world = Observed(config={"training": {"attempts": 1}})
    run = world.until(world.start(), Phase.TRAINING)
    words = "FailedToEvaluateRScript: R_tryEval: return error, Error code: LibraryExecutionError"
    failed = f'{{"StatusCode": "Failed", "Details": "{words}"}}'.encode()
    world.script("GET", f"/jobs/{run.job}", Answer(200, {}, failed), None)
    assert "correct the R script" in str(world.until(run, Phase.FAILED).reason)


STORAGE: Final = {
    "holds a lease": (412, "LeaseIdMissing"),
    "archive tier": (409, "BlobArchived"),
    "retention policy or a legal hold": (409, "BlobImmutableDueToPolicy"),
    "a directory, or a blob of another kind": (409, "InvalidBlobType"),
    "container is being deleted": (409, "ContainerBeingDeleted"),
}
WORDS: Final = table("The storage refuses a record")


@pytest.mark.parametrize("row", WORDS)
def test_what_the_storage_refuses_is_said_in_the_runbooks_words_with_its_code(row: str) -> None:
    (words,) = searched_for(row)
    status, code = STORAGE[words]
    error = HttpResponseError("refused")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    said = str(classify(error, "write runs/x", write=True))
    assert said.index("runs/x") < said.index(code) < said.index(words)


def never_sound(world: Filed) -> None:
    world.documents.rows.pop("configurations/sample")
    typo(world)


def damaged(world: Filed) -> None:
    world.damage("configurations/sample")
    typo(world)


def no_pipelines(world: Filed) -> None:
    world.write("x: 1\n")


FILES: Final[dict[str, tuple[Callable[[Filed], None], ...]]] = {
    "continues with its last good configuration, of": (typo,),
    "has no earlier configuration, and opens no runs until corrected": (never_sound,),
    "its last good configuration is not understood": (damaged,),
    "is not plain YAML": (no_yaml, gone, no_pipelines, no_pipelines),
    "app setting": (no_setting,),
}
FILE_ERRORS: Final = table("A pipeline has an error in the file")


@pytest.mark.parametrize("row", FILE_ERRORS)
def test_health_says_of_a_file_with_an_error_what_the_runbook_names(
    row: str, tmp_path: Path
) -> None:
    checked = [part.strip() for one in searched_for(row) for part in re.split("…|<time>", one)]
    checked = [part for part in checked if part]
    spoils = FILES[checked[0]]
    if len(spoils) == 1:
        spoils *= len(checked)
    for spoil, words in zip(spoils, checked, strict=True):
        folder = tmp_path / words.strip(":").replace(" ", "-")
        folder.mkdir()
        world = Filed(folder=folder)
        world.app.activations.refresh()
        spoil(world)
        assert words in world.reported()
