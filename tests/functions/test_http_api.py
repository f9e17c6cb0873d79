"""Manual runs over HTTP: the answers, and the state of the world afterwards."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from local.studio import JobState
from shared.providers.azure_storage.errors import classify
from shared.providers.http.client import Answer
from tests.fakes.world import World
from tests.functions.calls import Api
from tests.functions.conftest import NO_RUN, Serve, app_over, park, present_world, secrets_of


def test_a_manual_run_is_accepted_with_its_address(world: World, api: Api) -> None:
    world.upload()
    started = api.start()
    assert started.status == 202
    run_id = started.body["run_id"]
    assert started.headers["Location"] == f"/api/runs/{run_id}"
    assert api.get(run_id).body == started.body
    assert (started.body["origin"], started.body["phase"]) == ("manual", "training")
    assert len(world.starts) == 1


def test_an_older_blob_may_be_asked_for_by_name(world: World, api: Api) -> None:
    world.upload("first.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("second.csv")
    assert api.start({"data": "first.csv"}).body["manifest"][0]["name"] == "first.csv"
    assert api.start().body["manifest"][0]["name"] == "second.csv"


def test_the_same_key_gives_the_same_run_and_one_job(world: World, api: Api) -> None:
    world.upload()
    first, second = (api.start({"data": "new.csv"}, key="k") for _ in range(2))
    assert second.status == 202
    assert second.body["run_id"] == first.body["run_id"]
    assert len(world.runs()) == len(world.starts) == 1


def test_the_same_key_still_means_the_run_when_it_is_over(world: World, api: Api) -> None:
    world.upload()
    first = api.start(key="k")
    world.until_ended()
    world.upload("newer.csv")  # an empty body would mean other data now
    assert api.start(key="k").body["run_id"] == first.body["run_id"]
    assert len(world.starts) == 1


def test_without_a_key_each_request_is_a_run(world: World, api: Api) -> None:
    world.upload()
    assert api.start().body["run_id"] != api.start().body["run_id"]
    assert len(world.starts) == 2


@pytest.mark.parametrize("other", [{}, {"data": "new.csv", "parameters": {"a": 1}}])
def test_the_same_key_for_another_request_is_refused(
    world: World, api: Api, other: dict[str, Any]
) -> None:
    world.upload()
    api.start({"data": "new.csv"}, key="k")
    assert api.start(other, key="k").status == 422
    assert len(world.runs()) == 1


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"date": "new.csv"}', "date"),
        (b'{"data": 5}', "data"),
        (b'{"data": ""}', "data"),
        (b'{"parameters": [1]}', "parameters"),
        (b'{"parameters": {"a": null}}', "parameters.a"),
        (b'{"parameters": {"a": {"b": 1}}}', "parameters.a"),
        (b'{"parameters": {"a": NaN}}', "parameters.a"),
        (b'{"parameters": {"a": 1e999}}', "parameters.a"),
    ],
)
def test_a_wrong_body_is_refused_by_name_and_opens_nothing(
    world: World, api: Api, raw: bytes, named: str
) -> None:
    world.upload()
    refused = api.start(raw=raw)
    assert refused.status == 400
    assert named in refused.body["detail"]
    assert not world.documents.rows


def test_a_caller_cannot_send_an_app_setting_to_the_service(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload()
    bodies: list[bytes] = []
    sends = world.http.send

    def listen(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        bodies.append(body or b"")
        return sends(method, url, headers, body)

    monkeypatch.setattr(world.http, "send", listen)
    assert api.start({"parameters": {"a": "x${ENDPOINT_KEY}"}}).status == 202
    assert any(b"x${ENDPOINT_KEY}" in body for body in bodies)
    assert not any(world.endpoint.api_key.encode() in body for body in bodies)


def test_an_empty_body_with_blanks_is_no_mistake(world: World, api: Api) -> None:
    world.upload()
    assert api.start(raw=b" \n").status == 202


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2, b" \xef\xbb\xbf\n"])
@pytest.mark.parametrize("body", [b"", b'{"data": "new.csv"}'])
def test_a_byte_order_mark_before_a_body_is_no_mistake(
    world: World, api: Api, mark: bytes, body: bytes
) -> None:
    world.upload()
    assert api.start(raw=mark + body).status == 202


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_body_in_another_encoding_is_refused_by_what_it_is(
    world: World, api: Api, encoding: str
) -> None:
    refused = api.start(raw='{"data": "new.csv"}'.encode(encoding))
    assert (refused.status, refused.body["detail"]) == (
        400,
        "the body is not UTF-8: send JSON as UTF-8",
    )


def test_what_is_too_large_is_refused(world: World, api: Api) -> None:
    assert api.start(raw=b" " * (64 * 1024 + 1)).status == 413
    assert api.start(key="k" * 256).status == 400
    assert api.start(key="").status == 400


def test_an_unknown_pipeline_is_not_found(world: World, api: Api) -> None:
    world.upload()
    missing = api.start(pipeline="simple")
    assert missing.status == 404
    assert "simple" in missing.body["detail"]


@pytest.mark.parametrize("name", ["new.parquet", "missing.csv", "../new.csv"])
def test_data_that_is_not_there_or_matches_nothing_is_refused(
    world: World, api: Api, name: str
) -> None:
    world.upload("new.csv")
    world.upload("new.parquet")
    refused = api.start({"data": name})
    assert (refused.status, refused.title) == (400, "No such data")
    assert not world.runs()


def test_a_run_on_no_data_at_all_is_refused(world: World, api: Api) -> None:
    assert api.start().status == 400


@pytest.mark.parametrize("by", ["event", "request"])
def test_a_blob_name_that_the_service_would_misread_is_rejected_with_advice(
    world: World, api: Api, by: str
) -> None:
    world.upload("a#b.csv")
    if by == "event":
        world.deliver("a#b.csv")
    else:
        assert api.start({"data": "a#b.csv"}).status == 202
    shown = api.get(world.run().run_id).body
    assert shown["phase"] == "rejected"
    assert "#" in shown["reason"]
    assert shown["advice"] == "upload the data under another name"
    assert not world.starts


def test_a_run_is_shown_to_its_end_without_any_secret(
    world: World, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.upload()
    run_id = api.start().body["run_id"]
    said = [api.get(run_id).text]
    while not world.run().phase.ended:
        world.tick()
        said.append(api.get(run_id).text)
    shown = api.get(run_id)
    assert (shown.status, shown.body["phase"]) == (200, "promoted")
    assert shown.headers["ETag"].startswith('"')
    everything = "\n".join([*said, caplog.text, world.everything_stored()])
    assert not [secret for secret in secrets_of(world) if secret in everything]
    assert "${TRAINING_KEY}" in said[0]


def test_the_inner_workings_of_a_run_are_not_shown(world: World, api: Api) -> None:
    world.upload()
    assert not {"claim", "request", "schema_version"} & set(api.start(key="k").body)


@pytest.mark.parametrize("run_id", [NO_RUN, "..", ".", "a/b", "", "x" * 2000])
def test_an_unknown_run_is_not_found(world: World, api: Api, run_id: str) -> None:
    for ask in (api.get, api.retry, api.cancel):
        assert ask(run_id).status == 404


@pytest.mark.parametrize("run_id", ["..", "../poll", "%2e%2e", "A?b"])
def test_what_a_url_would_resolve_to_another_record_is_never_read(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, run_id: str
) -> None:
    monkeypatch.delattr(type(world.documents), "read")
    for ask in (api.get, api.retry, api.cancel):
        assert ask(run_id).status == 404


def test_a_parked_run_continues_when_it_is_retried(world: World, api: Api) -> None:
    run_id = park(world, api)
    retried = api.retry(run_id)
    assert (retried.status, retried.body["phase"]) == (202, "training")
    assert retried.headers["Location"] == f"/api/runs/{run_id}"
    assert len(world.starts) == 1


def test_a_parked_run_says_why_and_what_to_do(world: World, api: Api) -> None:
    shown = api.get(park(world, api)).body
    assert "TRAINING_KEY" in shown["reason"]
    assert "correct the setting" in shown["advice"]


def test_only_a_parked_run_can_be_retried(world: World, api: Api) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    assert api.retry(run_id).status == 409
    world.until_ended()
    assert api.retry(run_id).status == 409


def test_a_cancelled_run_deletes_its_job_at_the_service(world: World, api: Api) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    cancelled = api.cancel(run_id)
    assert (cancelled.status, cancelled.body["phase"]) == (202, "cancelled")
    assert [job.state for job in world.studio.jobs] == [JobState.CANCELLED]
    assert any(sent.startswith("DELETE") for sent in world.http.sent)
    assert world.open_runs() == []


def test_a_parked_run_can_be_cancelled(world: World, api: Api) -> None:
    assert api.cancel(park(world, api)).body["phase"] == "cancelled"


def test_a_run_that_is_over_cannot_be_cancelled(world: World, api: Api) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    world.until_ended()
    before = api.get(run_id).body
    assert api.cancel(run_id).status == 409
    assert api.get(run_id).body == before


def test_a_model_on_its_way_to_the_endpoint_cannot_be_cancelled(world: World, api: Api) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    while api.get(run_id).body["phase"] != "verifying":
        world.tick(5)
    assert api.cancel(run_id).status == 409
    assert world.until_ended().phase == "promoted"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_storage_account_that_refuses_is_reported_with_what_to_check(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def refuse(name: str) -> None:
        answer = HttpResponseError("SECRET")
        answer.status_code = status
        raise classify(answer, f"read {name}", write=False)

    monkeypatch.setattr(world.documents, "read", refuse)
    for found in (api.get(NO_RUN), api.cancel(NO_RUN), api.endpoint()):
        assert (found.status, found.title) == (503, "Storage refuses")
        assert str(status) in found.body["detail"]
        assert "To check: the connection setting" in found.body["detail"]
        assert not [word for word in ("PermanentError", "SECRET") if word in found.text]


def test_a_record_that_is_not_understood_is_reported_without_a_class_of_ours(
    world: World, api: Api
) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    row = world.documents.rows[f"runs/{run_id}"]
    world.documents.rows[f"runs/{run_id}"] = replace(row, body=b"{}")
    found = api.get(run_id)
    assert (found.status, found.title) == (500, "Record not understood")
    assert "CorruptRecordError" not in found.text


def test_parameters_of_a_request_go_over_those_of_the_pipeline(serve: Serve) -> None:
    world = present_world(training={"parameters": {"a": "{name}", "b": 1, "c": True}})
    serve(app_over(world))
    world.upload()
    started = Api().start({"parameters": {"b": 2.5}})
    assert started.body["parameters"] == {"a": "new", "b": 2.5, "c": True}
