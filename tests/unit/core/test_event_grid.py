"""Which blob or job a message of Event Grid is about, for each schema, case and encoding."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.azureml.answers import WORKSPACE
from shared.core.config.azureml_names import workspace_of
from shared.core.event_grid import ChangedBlob, changed_blob, ended_job, events_in
from shared.core.names import job_name, pipeline_of_job
from shared.errors import PermanentError

VECTORS: Final = json.loads(
    (Path(__file__).parents[2] / "vectors/deploy/events.json").read_text(encoding="utf-8")
)
BASE: Final = "/blobServices/default/containers/training-data/blobs/"
URL: Final = "https://strelearn.blob.core.windows.net/training-data/"
#: Every character that a blob's name may have, but those that a URL's path cannot carry as text.
NAMES: Final = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffd"),
    min_size=1,
    max_size=40,
)


def blob_in(message: Any) -> ChangedBlob | str:
    [event] = events_in(json.dumps(message).encode())
    return changed_blob(event)


def job_in(message: Any) -> str | None:
    [event] = events_in(json.dumps(message).encode())
    found = ended_job(event)
    return found.name if found else None


def created(subject: str, url: str | None, **data: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(VECTORS["blob_created_flat"]))
    made["subject"] = subject
    made["data"] |= {"url": url, **data}
    return made


def recased(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {change(name): recased(one, change) for name, one in value.items()}
    return value


@pytest.mark.parametrize(
    ("vector", "name"),
    [
        ("blob_created_flat", "a/b.csv"),
        ("blob_created_blocklist", "a/b.csv"),
        ("blob_created_hns_done", "a/b.csv"),
        ("blob_renamed_hns", "a/new.csv"),
        ("blob_created_cloudevents", "a/b.csv"),
    ],
)
@pytest.mark.parametrize("change", [str, str.lower, str.upper, str.title])
def test_a_new_blob_is_known_in_either_schema_and_any_case(
    vector: str, name: str, change: Any
) -> None:
    expected = ChangedBlob("strelearn", "training-data", (name,))
    assert blob_in(recased(VECTORS[vector], change)) == expected
    assert blob_in([VECTORS[vector]]) == expected


def test_a_file_that_was_just_created_is_not_data_yet() -> None:
    said = blob_in(VECTORS["blob_created_hns_empty"])
    assert isinstance(said, str)
    assert "empty" in said
    assert isinstance(blob_in(created(BASE + "a", URL + "a", api="createfile")), ChangedBlob)
    assert isinstance(blob_in(created(BASE + "a", URL + "a", contentLength=0)), ChangedBlob)


@pytest.mark.parametrize(
    "name",
    [
        "with space.csv",
        "100%.csv",
        "already%20encoded.csv",
        "a+b.csv",
        "hash#tag.csv",
        "what?.csv",
        "ünïcödé/数据.csv",
        "💎.csv",
        "a&b=c;d,e'(f)!.csv",
        "//double//.csv",
    ],
)
def test_a_name_is_the_first_to_be_checked_however_the_url_has_it(name: str) -> None:
    encoded = blob_in(created(BASE + name, URL + quote(name)))
    raw = blob_in(created(BASE + name, URL + name))
    assert isinstance(encoded, ChangedBlob)
    assert isinstance(raw, ChangedBlob)
    assert (encoded.names[0], raw.names[0]) == (name, name)


@given(NAMES)
def test_subject_and_encoded_url_agree_for_any_name(name: str) -> None:
    found = blob_in(created(BASE + name, URL + quote(name)))
    assert isinstance(found, ChangedBlob)
    assert found.names[0] == name
    assert set(found.names) <= {name, quote(name)}


@pytest.mark.parametrize("name", ["数" * 340 + ".csv", "a" * 1020 + ".csv"])
def test_a_long_name_is_checked_in_no_form_that_no_blob_can_have(name: str) -> None:
    found = blob_in(created(BASE + name, URL + quote(name)))
    assert isinstance(found, ChangedBlob)
    assert found.names == (name,)


def test_a_name_that_no_blob_can_have_names_no_blob() -> None:
    half = "\ud83d.csv"
    found = blob_in(created(BASE + half, URL + "whole.csv"))
    assert isinstance(found, ChangedBlob)
    assert found.names == ("whole.csv",)
    for name in (half, "a" * 1025):
        with pytest.raises(PermanentError, match="does not name a blob"):
            blob_in(created(BASE + name, None))


def test_the_signature_of_a_url_is_no_part_of_the_name() -> None:
    signed = URL + "what%3F.csv?sv=2026-01-01&sp=r&sig=abcdefghijklmnopqrstuvwxyz%3D"
    assert blob_in(created("", signed)) == ChangedBlob(
        "strelearn", "training-data", ("what?.csv", "what%3F.csv")
    )


def test_a_long_type_is_shown_neither_whole_nor_in_part() -> None:
    event = created(BASE + "a", URL + "a") | {"eventType": "k" * 64_000}
    assert blob_in(event) == "events of type (of 64000 characters) are not needed"


def test_a_name_that_was_damaged_in_the_subject_is_taken_from_the_url() -> None:
    found = blob_in(created(BASE + "log_\ufffd\ufffd.csv", URL + quote("log_💎.csv")))
    assert isinstance(found, ChangedBlob)
    assert found.names[0] == "log_💎.csv"
    assert not [name for name in found.names if "\ufffd" in name]


def test_each_reading_of_a_name_is_checked_where_subject_and_url_differ() -> None:
    found = blob_in(created(BASE + "a%20b.csv", URL + "a%20b.csv"))
    assert isinstance(found, ChangedBlob)
    assert found.names == ("a%20b.csv", "a b.csv")


def test_a_url_does_for_a_subject_that_is_not_understood() -> None:
    found = blob_in({**created("", URL + "a%20b.csv"), "topic": None})
    assert found == ChangedBlob("strelearn", "training-data", ("a b.csv", "a%20b.csv"))


def test_a_subject_does_for_a_url_of_another_place() -> None:
    elsewhere = created(BASE + "a.csv", "https://strelearn.blob.core.windows.net/other/b.csv")
    assert blob_in(elsewhere) == ChangedBlob("strelearn", "training-data", ("a.csv",))
    for url in (None, "", "no url", "https://[", "https://host"):
        assert blob_in(created(BASE + "a.csv", url)) == blob_in(elsewhere)


def test_a_server_on_this_machine_has_the_account_in_the_path() -> None:
    local = "http://127.0.0.1:10000/devstoreaccount1/training-data/a%23.csv"
    found = blob_in({**created(BASE + "a#.csv", local), "topic": ""})
    assert found == ChangedBlob(None, "training-data", ("a#.csv", "a%23.csv"))


@pytest.mark.parametrize(
    "kind", ["Microsoft.Storage.BlobDeleted", "Microsoft.Storage.DirectoryRenamed", "Own.Kind"]
)
def test_other_events_are_passed_over(kind: str) -> None:
    said = blob_in({**VECTORS["blob_created_flat"], "eventType": kind})
    assert said == f"events of type {kind} are not needed"


def test_the_handshake_of_a_webhook_is_passed_over() -> None:
    assert isinstance(blob_in(VECTORS["subscription_validation"]["body"]), str)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"not base64!",
        b64encode(b"not JSON"),
        b"[" * 100_000,
        b"null",
        b"3",
        b'"text"',
        b"{}",
        b'[{"eventType": "x"}]',
        b'{"eventType": 3, "data": {}}',
        b'{"eventType": "x", "data": []}',
    ],
)
def test_what_is_no_event_is_refused_with_what_to_do(message: bytes) -> None:
    with pytest.raises(PermanentError, match=r"a message of a queue is .* To do: see that"):
        list(events_in(message))


def test_a_new_blob_without_a_name_is_refused() -> None:
    with pytest.raises(PermanentError, match="does not name a blob"):
        blob_in(created("", "https://host"))


def test_what_comes_before_a_wrong_event_of_a_list_is_given() -> None:
    events = events_in(json.dumps([VECTORS["blob_created_flat"], {}]).encode())
    assert changed_blob(next(events)) == blob_in(VECTORS["blob_created_flat"])
    with pytest.raises(PermanentError):
        next(events)


def test_a_message_that_the_host_left_encoded_is_decoded() -> None:
    message = b64encode(json.dumps(VECTORS["blob_created_flat"]).encode())
    [event] = events_in(message)
    assert changed_blob(event) == blob_in(VECTORS["blob_created_flat"])


@pytest.mark.parametrize("vector", ["aml_run_status", "aml_run_completed"])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_a_job_that_ended_is_known_in_any_case(vector: str, change: Any) -> None:
    assert job_in(recased(VECTORS[vector], change)) == "run_1"


@pytest.mark.parametrize("status", ["Running", "queued", "Finalizing", "CancelRequested"])
def test_a_job_under_way_is_left_to_the_poll(status: str) -> None:
    message = json.loads(json.dumps(VECTORS["aml_run_status"]))
    message["data"]["runStatus"] = status
    assert job_in(message) is None


@pytest.mark.parametrize("run_id", [None, "", 3, {}])
def test_the_subject_does_for_a_run_id_that_is_none(run_id: object) -> None:
    message = json.loads(json.dumps(VECTORS["aml_run_status"]))
    message["data"]["runId"] = run_id
    assert job_in(message) == "run_1"
    assert job_in({**message, "subject": "models/x:1"}) is None


@pytest.mark.parametrize("vector", ["aml_model_registered_camel", "blob_created_flat"])
def test_an_event_of_something_else_is_about_no_job(vector: str) -> None:
    assert job_in(VECTORS[vector]) is None


@pytest.mark.parametrize("pipeline", ["a", "census", "a-very-long-name-of-a-pipeline", "x-1-2"])
@pytest.mark.parametrize(("attempt", "replaced"), [(1, 0), (12, 3)])
def test_a_job_of_ours_says_what_its_run_begins_with(
    pipeline: str, attempt: int, replaced: int
) -> None:
    run_id = f"{pipeline}-0123456789abcdef0123"
    name = job_name(run_id, attempt, replaced, workspace_of(WORKSPACE).identity)
    beginning = pipeline_of_job(name)
    assert beginning
    assert run_id.startswith(beginning)


@pytest.mark.parametrize("name", ["run_1", "rl-x-1", "rl--0123456789ab-1", "happy_rice_123"])
def test_a_job_of_others_is_not_ours(name: str) -> None:
    assert pipeline_of_job(name) is None
