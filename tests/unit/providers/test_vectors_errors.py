"""Every documented error: what the caller concludes, the service's own words, and the advice."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.core.redaction import Redactor
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import TABLE, ErrorMeaning, read_refusal, sort_refusal
from tests.unit.scripted import KEY, SAS, answering
from tests.unit.vectors import rows

CLEAN = Redactor(KEY).text

CODED = rows("error_table", "error_troubleshooting", "error_real")
ALL = [*CODED, *rows("error_statuses")]
#: What a read and a write conclude (design rule 7).
CONCLUDE: dict[str, tuple[type[RelearnError], type[RelearnError]]] = {
    "park": (PermanentError, PermanentError),
    "repeat": (TransientError, TransientError),
    "look": (TransientError, OutcomeUnknownError),
}


def named(row: dict[str, Any]) -> str:
    case = row.get("case") or row.get("detail") or row.get("class") or row.get("_source", "")
    return f"{row['http']} {case}"


def answer(row: dict[str, Any], addition: str = "") -> Answer:
    """Build the answer of a row, with `addition` where a service may repeat what it was sent."""
    body = row.get("body", "")
    if isinstance(body, dict):
        error = {**body["error"], "message": f"{body['error']['message']}{addition}"}
        return answering({"error": error}, row["http"])
    if "words" not in row:
        return Answer(row["http"], {}, f"{body}{addition}".encode())
    error = {"code": row.get("class", ""), "message": f"{row['words']}{addition}"}
    if "detail" in row:
        error["details"] = [{"code": row["detail"], "message": f"{row.get('says', '')}{addition}"}]
    return answering({"error": error}, row["http"])


def words(row: dict[str, Any]) -> list[str]:
    body = row.get("body")
    if isinstance(body, dict):
        error = body["error"]
        return [error["message"], *(detail["message"] for detail in error.get("details", []))]
    return [" ".join(row[part].split()) for part in ("words", "says") if row.get(part)]


@pytest.mark.parametrize("row", ALL, ids=named)
def test_each_error_says_to_a_read_and_to_a_write_what_to_do_next(row: dict[str, Any]) -> None:
    read, write = CONCLUDE[row["means"]]
    asked = sort_refusal(answer(row), "check it", CLEAN, write=False)
    did = sort_refusal(answer(row), "do it", CLEAN, write=True)
    assert isinstance(asked, read)
    assert isinstance(did, write)
    patience = timedelta(minutes=row["minutes"]) if "minutes" in row else None
    for error in (asked, did):
        if isinstance(error, TransientError):
            assert error.patience == patience


@pytest.mark.parametrize("row", ALL, ids=named)
def test_each_error_shows_the_services_own_words_and_the_advice(row: dict[str, Any]) -> None:
    for write in (False, True):
        shown = str(sort_refusal(answer(row), "create job", CLEAN, write=write))
        start, _, advice = shown.partition(f"(HTTP {row['http']})")
        assert start.startswith("create job: ")
        for said in words(row):
            assert said in start
        assert advice.removeprefix(": ") == "" if row["hint"] is None else row["hint"] in advice


@pytest.mark.parametrize("row", ALL, ids=named)
def test_no_error_gives_a_secret_away(row: dict[str, Any]) -> None:
    echo = f" of Bearer {KEY} for https://a.blob.core.windows.net/c/b{SAS} AccountKey={KEY};"
    for write in (False, True):
        shown = str(sort_refusal(answer(row, echo), "create job", CLEAN, write=write))
        assert KEY not in shown
        assert "c2lnbmF0dXJl" not in shown
    refusal = read_refusal(answer(row, echo), CLEAN)
    assert KEY not in repr(refusal)


def test_the_table_and_its_vectors_name_the_same_errors() -> None:
    documented = {(row["http"], row.get("class"), row.get("detail")) for row in CODED}
    documented |= {
        (row["http"], error["code"], detail)
        for row in rows("error_real")
        for error in [row["body"]["error"]]
        for detail in [None, *(one["code"] for one in error.get("details", []))]
    }
    known = {(row.http, row.code, code) for row in TABLE for code in (None, *row.details)}
    modules = {("ModuleExecutionError", detail) for detail in ("FailedToEvaluateRScript",)}
    modules |= {("ModuleExecutionError", "TableSchemaColumnCountMismatch")}  # of either class
    assert {one for one in known - documented if one[1:] not in modules} == set()
    in_table = {(row["http"], row["class"], row.get("detail")) for row in rows("error_table")}
    assert in_table - known == set()


@pytest.mark.parametrize("row", [row for row in ALL if row["means"] == "look"], ids=named)
def test_only_503_and_refusals_say_that_a_write_did_not_happen(row: dict[str, Any]) -> None:
    assert row["http"] in (408, 440) or (row["http"] >= 500 and row["http"] != 503)


def test_one_5xx_alone_is_final_for_a_write() -> None:
    final = [row.code for row in TABLE if row.http >= 500 and row.means is ErrorMeaning.PARK]
    assert final == ["GetWorkspaceFailed"]


@pytest.mark.parametrize("row", rows("error_real"), ids=named)
def test_real_errors_read_as_data_factory_shows_them(row: dict[str, Any]) -> None:
    shown = read_refusal(answer(row)).text
    if "joined" in row:
        assert shown == row["joined"]
    for said in words(row):
        assert said in shown


def test_the_module_that_failed_is_named() -> None:
    (row,) = [row for row in rows("error_real") if "LibraryExecution" in json.dumps(row["body"])]
    assert (
        "Execute R Script Piped (RPackage): The following error" in read_refusal(answer(row)).text
    )
