"""The event through the data container is seen, lost or impossible; its blob is always deleted."""

from collections.abc import Callable

import pytest

from local.studio.wire import WireAnswer, WireRequest
from tests.hooks.azure import HEALTHY, Azure
from tests.hooks.running import Site, dropped, refused, served, working

UNUSABLE = {**HEALTHY, "status": "unusable", "problems": {"configuration": 2, "storage": 1}}


def left(azure: Azure) -> set[str]:
    return azure.blobs


def test_a_first_event_that_is_lost_is_sent_once_more() -> None:
    with served(working(lost_events=1)) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.called("PUT /training-data/.relearn/scratch/") == 2
    assert "on_storage_events had it after 9" in ran.said
    assert left(site.azure) == set()


@pytest.mark.parametrize(("way", "failure"), [("queue", 10), ("blobTrigger", 7)])
def test_an_event_that_never_comes_ends_the_hook(way: str, failure: int) -> None:
    with served(working(lost_events=100), EVENT_DELIVERY=way) as site:
        ran = site.after()
    assert ran.code == 1
    assert "the app got no event of its data container within 360 s" in ran.said
    assert f"failure-{failure}" in ran.said
    assert "functions" in ran.said.partition("FAILED")[0]  # the table comes first
    assert left(site.azure) == set()


def test_wrong_settings_are_the_first_reason_for_a_lost_event() -> None:
    with served(working(lost_events=100, health=UNUSABLE)) as site:
        assert "what to do: first correct what `GET" in site.after().said


def test_undelivered_events_are_reported() -> None:
    queue = {"account": "st", "name": "relearn-storage-events-poison", "messages": 4}
    azure = working(lost_events=100)
    azure.undelivered = {"at": "2031-05-06T07:00:00Z", "poison": [queue], "dead_letters": 2}
    with served(azure) as site:
        ran = site.after()
    assert (
        "within 360 s (as of 2031-05-06T07:00:00Z: relearn-storage-events-poison holds 4, the"
        " dead-letter container holds 2)"
    ) in ran.said


def test_an_event_of_another_trial_is_not_taken_for_it() -> None:
    azure = working(lost_events=100)
    azure.last_event = {"at": "x", "blob": ".relearn/scratch/other", "function": "f"}
    with served(azure) as site:
        assert site.after().code == 1


@pytest.mark.parametrize("code", ["AuthorizationFailure", "PublicAccessNotPermitted"])
def test_closed_storage_is_said_and_is_no_failure(code: str) -> None:
    with served(working(storage=code)) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert f"closed to this machine or account (HTTP 403 {code})" in ran.said
    assert "what to do about event through the data container: run this hook from" in ran.said
    assert site.azure.called("DELETE") == 0  # nothing was written


def test_storage_that_cannot_be_reached_is_no_failure() -> None:
    with served(working(), DATA_BLOB_ENDPOINT="http://127.0.0.1:1/") as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert "the storage cannot be reached from here: 127.0.0.1 did not answer" in ran.said


def test_an_answer_that_was_lost_may_hide_a_blob_which_is_deleted() -> None:
    def written(request: WireRequest) -> None:
        site.azure.blobs.add(request.url.strip("/"))

    with served(working()) as site:
        site.azure.faults += [("PUT /training-data", written)] * 3
        ran = site.after()
    assert ran.code == 0, ran.said
    assert "not tried" in ran.said
    assert left(site.azure) == set()


def test_a_missing_role_is_waited_for_and_is_no_failure() -> None:
    with served(working(storage="AuthorizationPermissionMismatch")) as site:
        ran = site.after()
        assert sum(ran.waits) == 120
        site.sleeping = lambda _: setattr(site.azure, "storage", "open")
        later = site.after()
    assert ran.code == later.code == 0
    assert "Storage Blob Data Contributor on the container training-data" in ran.said
    assert "on_storage_events had it" in later.said


def test_a_token_that_azd_does_not_give_for_storage_is_no_failure() -> None:
    with served(working()) as site:
        site.azd.tokens["https://storage.azure.com/.default"] = [""]
        ran = site.after()
    assert ran.code == 0
    assert "azd gave no token" in ran.said


def test_a_missing_container_is_a_failure() -> None:
    with served(working()) as site:
        site.azure.faults.append(("PUT /training", refused(site.azure, 404, "ContainerNotFound")))
        ran = site.after()
    assert ran.code == 1
    assert "could not be written: HTTP 404 ContainerNotFound" in ran.said


@pytest.mark.parametrize("answer", [dropped, None])
def test_a_blob_that_cannot_be_deleted_is_named(answer: object) -> None:
    def refuse(request: WireRequest) -> WireAnswer | None:
        return None if answer else site.azure.refusal(request, 409, "BlobImmutableDueToPolicy")

    with served(working()) as site:
        site.azure.faults += [("DELETE /training-data", refuse)] * 3
        ran = site.after()
    assert ran.code == 0
    assert f"the blob {next(iter(left(site.azure))).partition('/')[2]}" in ran.said


def test_an_interruption_deletes_the_blob() -> None:
    with served(working(lost_events=100)) as site:
        site.sleeping = interrupting(site)
        ran = site.after()
    assert ran.code == 1
    assert site.azure.called("PUT /training-data") == 1
    assert left(site.azure) == set()
    assert "Stopped." in ran.said


def interrupting(site: Site) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        del seconds
        if site.azure.blobs:
            raise KeyboardInterrupt

    return sleep


def test_it_can_be_left_out() -> None:
    with served(working()) as site:
        ran = site.after("--no-event")
    assert ran.code == 0
    assert site.azure.called("/training-data") == 0
    assert site.azure.called("listkeys") == 0


def test_the_app_may_start_slowly() -> None:
    with served(working(healthy_after=120.0)) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert "waiting for a healthy app: 1" in ran.said


def test_problems_of_the_app_fail_the_hook_and_the_event_is_tried_all_the_same() -> None:
    with served(working(health=UNUSABLE, problems=["storage: the ledger is closed"])) as site:
        ran = site.after()
    assert ran.code == 1
    assert "the app runs, and has problems: 2 of configuration, 1 of storage" in ran.said
    assert "problem: storage: the ledger is closed" in ran.said
    assert "on_storage_events had it" in ran.said


def test_a_pipelines_file_that_is_still_missing_is_no_failure_and_is_not_waited_for() -> None:
    missing = {**UNUSABLE, "problems": {"configuration": 1}}
    with served(working(health=missing, problems=["pipelines.yaml does not exist"])) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert ran.waits == [5.0]  # for the event
    assert "note" in ran.said
    assert "problem: pipelines.yaml does not exist" in ran.said


def test_an_app_that_never_answers_fails_the_hook() -> None:
    with served(working(health=None)) as site:
        ran = site.after()
    assert ran.code == 1
    assert "the app does not start: `GET /api/health` answers HTTP 503" in ran.said


def test_details_that_the_key_does_not_open_are_waited_for() -> None:
    with served(working()) as site:
        deny = refused(site.azure, 401, "Unauthorized")
        site.azure.faults += [("/api/health/details", deny)] * 3
        assert site.after().code == 0
        site.azure.faults += [("/api/health/details", deny)] * 200
        ran = site.after()
    assert ran.code == 1
    assert "answered HTTP 401, so the event cannot be seen" in ran.said
    assert left(site.azure) == set()
