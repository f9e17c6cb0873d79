"""Updates and refreshes of an endpoint at the management plane (studio-classic §3)."""

import pytest

from local.studio import InstantTrainer, Published
from tests.local.studio.bench import ACCOUNT, BASE, RESOURCE, Bench, detail
from tests.local.studio.conftest import MakeBench

MODEL = "retrain/output2results.ilearner"


def _new_model(bench: Bench, content: bytes = b"age,income,label\n99,1,1\n") -> None:
    trained = InstantTrainer().train({"input1": content}, {}, label=None)
    bench.blobs.contents[f"{BASE}{MODEL}"] = trained.model


def _default(bench: Bench, endpoint: Published) -> Published:
    url = endpoint.management_url.replace("production", "default")
    found = bench.call("GET", url, bench.studio.workspace_token).json()
    return Published(
        endpoint.workspace_id,
        endpoint.web_service_id,
        found["ApiLocation"].rpartition("/")[2],
        "default",
        found["PrimaryKey"],
        endpoint.resource,
    )


def test_an_update_is_accepted_at_once_and_shows_after_the_delay(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    _new_model(bench)
    before = bench.score(endpoint).json()
    answer = bench.patch(endpoint, bench.reference(MODEL))
    assert (answer.status, answer.body) == (200, b"")
    bench.clock.advance(seconds=29)
    assert bench.score(endpoint).json() == before
    bench.clock.advance(seconds=1)
    assert bench.score(endpoint).json() != before


def test_the_model_is_copied_when_it_is_patched(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    _new_model(bench)
    before = bench.score(endpoint).json()
    assert bench.patch(endpoint, bench.reference(MODEL)).status == 200
    bench.blobs.contents.clear()
    bench.clock.advance(minutes=1)
    assert bench.score(endpoint).json() != before


def test_two_updates_show_one_after_the_other(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    scores = [bench.score(endpoint).body]
    for row in (b"1,2,0", b"3,4,1"):
        _new_model(bench, b"age,income,label\n" + row)
        bench.patch(endpoint, bench.reference(MODEL))
        bench.clock.advance(seconds=10)
    for _ in range(2):
        bench.clock.advance(seconds=10)
        scores.append(bench.score(endpoint).body)
    assert len(set(scores)) == 3


def test_an_update_changes_its_own_endpoint_only(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    default = _default(bench, endpoint)
    before = bench.score(default).json()
    _new_model(bench)
    bench.patch(endpoint, bench.reference(MODEL))
    bench.clock.advance(minutes=1)
    assert bench.score(default).json() == before


def test_the_endpoint_says_what_was_last_patched(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    _new_model(bench)
    found = bench.call("GET", endpoint.management_url, endpoint.api_key).json()
    assert found["Resources"] == [{"Name": RESOURCE, "Kind": "TrainedModel", "Location": None}]
    location = bench.reference(MODEL)
    bench.patch(endpoint, location)
    found = bench.call("GET", endpoint.management_url, endpoint.api_key).json()
    assert found["Resources"][0]["Location"] == location


def test_with_own_storage_the_published_model_has_a_location_to_restore(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(own_storage=ACCOUNT)
    endpoint = bench.publish_scoring()
    found = bench.call("GET", endpoint.management_url, endpoint.api_key).json()
    before = bench.score(endpoint).json()
    _new_model(bench)
    bench.patch(endpoint, bench.reference(MODEL))
    bench.clock.advance(minutes=1)
    assert bench.patch(endpoint, found["Resources"][0]["Location"]).status == 200
    bench.clock.advance(minutes=1)
    assert bench.score(endpoint).json() == before


def test_resources_may_not_be_sent(make_bench: MakeBench) -> None:
    bench = make_bench(send_resources=False)
    endpoint = bench.publish_scoring()
    found = bench.call("GET", endpoint.management_url, endpoint.api_key).json()
    assert "Resources" not in found


def _refused_updates(bench: Bench) -> dict[str, tuple[object, str]]:
    location = bench.reference(MODEL)
    good = {"Name": RESOURCE, "Location": location}
    return {
        "another resource name": (
            {"Resources": [{**good, "Name": RESOURCE.upper()}]},
            "RequestBodyInvalid",
        ),
        "no resource": ({"Resources": []}, "RequestBodyInvalid"),
        "nothing": ({}, "RequestIsEmpty"),
        "unknown member": ({"Resource": [good]}, "RequestBodyInvalid"),
        "no location": ({"Resources": [{"Name": RESOURCE}]}, "RequestBodyInvalid"),
        "no blob there": (
            {"Resources": [{**good, "Location": bench.reference("retrain/x.ilearner")}]},
            "BlobNotFound",
        ),
        "an expired SAS": (
            {"Resources": [{**good, "Location": bench.reference(MODEL, hours=-1)}]},
            "BlobNotFound",
        ),
        "a SAS that may not read": (
            {"Resources": [{**good, "Location": bench.reference(MODEL, "cw")}]},
            "BlobNotFound",
        ),
        "a SAS over plain http": (
            {"Resources": [{**good, "Location": {**location, "BaseLocation": "http://x.net/"}}]},
            "BlobNotFound",
        ),
        "no SAS": (
            {"Resources": [{**good, "Location": {**location, "SasBlobToken": None}}]},
            "MissingOutputOverrideSpecification",
        ),
    }


@pytest.mark.parametrize("case", _refused_updates(Bench()))
def test_an_update_that_cannot_work_is_refused_and_changes_nothing(bench: Bench, case: str) -> None:
    endpoint = bench.publish_scoring()
    _new_model(bench)
    before = bench.score(endpoint).json()
    body, code = _refused_updates(bench)[case]
    answer = bench.call("PATCH", endpoint.management_url, endpoint.api_key, body)
    assert detail(answer) == (400, "BadArgument", code)
    bench.clock.advance(minutes=1)
    assert bench.score(endpoint).json() == before


def test_the_default_endpoint_cannot_be_updated_or_refreshed(bench: Bench) -> None:
    default = _default(bench, bench.publish_scoring())
    _new_model(bench)
    refused = (400, "InvalidOperation", "UpdateWebServiceResourceFailed")
    assert detail(bench.patch(default, bench.reference(MODEL))) == refused
    refresh = bench.call("POST", f"{default.management_url}/refresh", default.api_key, {})
    assert detail(refresh) == refused


def test_a_training_service_has_no_updatable_resource(bench: Bench) -> None:
    service = bench.publish_training()
    endpoint = bench.studio.add_endpoint(service.web_service_id, "retrain")
    answer = bench.patch(endpoint, bench.reference(MODEL))
    assert detail(answer) == (400, "InvalidOperation", "UpdateWebServiceResourceFailed")


def test_a_refresh_restores_the_published_model_after_the_delay(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    before = bench.score(endpoint).json()
    url = f"{endpoint.management_url}/refresh"
    overwrite = {"OverwriteResources": "True"}
    assert bench.call("POST", url, endpoint.api_key, overwrite).status == 304
    _new_model(bench)
    bench.patch(endpoint, bench.reference(MODEL))
    bench.clock.advance(minutes=1)
    patched = bench.score(endpoint).json()
    assert patched != before
    kept = bench.call("POST", url, endpoint.api_key, {"OverwriteResources": "False"})
    assert kept.status == 304
    answer = bench.call("POST", url, endpoint.api_key, overwrite)
    assert (answer.status, answer.body) == (200, b"")
    assert bench.score(endpoint).json() == patched
    bench.clock.advance(seconds=30)
    assert bench.score(endpoint).json() == before
    assert bench.call("POST", url, endpoint.api_key, overwrite).status == 304
