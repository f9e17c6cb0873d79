"""The baseline of an endpoint, and the blobs that may be its model."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_types import blob_of
from shared.core.run.record import Phase, Run
from shared.core.serving.references import Candidate, EndpointAddress, ServingState, Shift
from shared.core.serving.state import EndpointState, Resource
from shared.errors import PermanentError
from shared.execution.leased_endpoint import rollback_target_of
from shared.operations.commands import OperatorCommand
from shared.ports.storage import Access
from shared.providers.http.client import Answer
from tests.fakes.blobs import ACCOUNT
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import blob, ref, state_of
from tests.unit.worlds import Observed

SECRET_PATHS = ("azure-webjobs-secrets/host.json", "models/notes.txt", "models/runs/../notes.txt")
ALLOW = {"pipeline": {"gate": {"first_model": "allow"}}}
OTHER_COLUMNS = b"x,y,label\n1,2,0\n"
HOUR = timedelta(hours=1)


def reporting(world: Observed, blob_path: str, sas: str = "", base: str = ACCOUNT) -> Any:
    """Have the endpoint say that it serves the blob at `blob_path`."""
    location = {"BaseLocation": base, "RelativeLocation": blob_path, "SasBlobToken": sas}
    reported = {"Name": "production", "Resources": [{"Name": RESOURCE, "Location": location}]}
    answer = Answer(200, {}, json.dumps(reported).encode())
    return world.script("GET", "/production", answer, times=None)


def a_model(world: Observed, blob_path: str) -> BlobVersion:
    model = InstantTrainer().train({"input1": b"a,b,label\n0,0,0\n"}, {}, label=None).model
    container, _, name = blob_path.partition("/")
    return world.blobs.put(container, name, model)


def read_rights(world: Observed) -> set[str]:
    """The blobs of the models' account that a service was given to read as a model."""
    reads = {path for path, access in world.blobs.signed if access is Access.READ}
    return {path for path in reads if not path.startswith("training-data/")}


def baseline(world: Observed) -> ServingState | None:
    return world.endpoint_state().resource(RESOURCE).baseline


@pytest.mark.parametrize("sas", ["", "?sig=x", "?sv=2020-02-10&sr=b&sp=r&sig=x"])
@pytest.mark.parametrize("blob_path", SECRET_PATHS)
def test_a_service_that_names_a_secret_as_its_model_is_given_no_right_to_it(
    blob_path: str, sas: str
) -> None:
    world = Observed()
    a_model(world, blob_path)
    world.blobs.checked.clear()
    reporting(world, blob_path, sas)
    run = world.until(world.start(), Phase.PARKED)
    assert "first_model: allow" in (run.advice or "")
    assert not read_rights(world)
    assert blob_path not in world.blobs.checked
    assert not [key for key in world.blobs.store.contents if "/baselines/" in key]


@pytest.mark.parametrize("blob_path", SECRET_PATHS[:1])
def test_without_a_rollback_target_no_other_model_is_put_instead_of_a_broken_one(
    blob_path: str,
) -> None:
    world = Observed(config=ALLOW)
    a_model(world, blob_path)
    reporting(world, blob_path)
    world.upload("odd.csv", OTHER_COLUMNS)
    run = world.until(world.deliver("odd.csv")[0], Phase.PARKED)
    assert "there is no earlier one to roll back to" in (run.reason or "")
    assert not [one for one in world.http.sent if one.endswith("/refresh")]
    assert all(path.startswith("models/runs/") for path in read_rights(world))


@pytest.mark.parametrize("folder", ["runs/a/b/1", "promote/sample", "baselines"])
def test_a_model_of_ours_is_rolled_back_as_it_is(folder: str) -> None:
    world = Observed()
    model = a_model(world, f"{MODELS}/{folder}/x.ilearner")
    reporting(world, f"/{model.path}")
    world.until(world.start(), Phase.VERIFYING)
    assert baseline(world) == state_of(model)


@pytest.mark.parametrize("mark", ["?", ""])
def test_a_model_elsewhere_in_our_account_is_copied_by_the_services_own_signature(
    mark: str,
) -> None:
    world = Observed()
    model = a_model(world, "experimentoutput/j 1/x.ilearner")
    sas = world.blobs.sign(model.container, model.name, Access.READ, HOUR).signature
    world.blobs.signed.clear()  # that was the service, not the app
    reporting(world, model.path, f"{mark}{sas.lstrip('?')}")
    world.until(world.start(), Phase.VERIFYING)
    kept = baseline(world)
    assert kept is not None
    assert kept.model is not None
    assert kept.model.name.startswith(f"{MODELS}/baselines/")
    assert blob_of(kept.model).content_md5 == model.content_md5
    assert model.path not in read_rights(world)
    assert "sig=" not in world.everything_stored()


@pytest.mark.parametrize("host", ["account-secondary.blob.core.windows.net", "account.example"])
def test_another_name_of_our_account_opens_nothing_more(host: str) -> None:
    world = Observed()
    a_model(world, SECRET_PATHS[0])
    reporting(world, SECRET_PATHS[0], "?sig=x", f"https://{host}/")
    world.until(world.start(), Phase.PARKED)
    assert not [key for key in world.blobs.store.contents if "/baselines/" in key]


def test_a_blob_of_another_account_is_none_of_our_models_although_it_is_named_like_one() -> None:
    world = Observed()
    model = a_model(world, f"{MODELS}/runs/a/b/1/x.ilearner")
    reporting(world, f"/{model.path}", base="https://other.blob.core.windows.net/")
    run = world.until(world.start(), Phase.PARKED)
    assert "first_model: allow" in (run.advice or "")
    assert not read_rights(world)


@pytest.mark.parametrize("base", ["https://[/", "", "https://account.blob.core.windows.net/?x=/"])
def test_a_location_that_is_no_url_is_no_rollback_target(base: str) -> None:
    world = Observed()
    reporting(world, "c/x.ilearner", "?sig=x", base)
    world.until(world.start(), Phase.PARKED)


def test_an_old_record_cannot_ask_for_more_than_a_new_one_may() -> None:
    world = Observed()
    run = world.until(world.start(), Phase.PROMOTED)
    secret = a_model(world, SECRET_PATHS[0])
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    endpoint_state = world.endpoint_state()
    known = endpoint_state.resource(RESOURCE).model_copy(update={"baseline": state_of(secret)})
    endpoint_state = endpoint_state.model_copy(update={"resources": {RESOURCE: known}})
    serving = world.context.providers.serving(world.pipeline.endpoints[0])
    assert rollback_target_of(serving, endpoint_state, RESOURCE, instead_of=run) is None
    world.documents.faults.inside = True
    row = world.documents.rows[name]
    world.documents.replace(name, endpoint_state.model_dump_json().encode(), row.etag)
    endpoints = world.app.endpoints
    rollback = endpoints.rollback(
        EndpointAddress("sample", "production"), "baseline", OperatorCommand(by="boss")
    )
    assert "is not a model of this app" in (world.until(rollback, Phase.PARKED).reason or "")
    assert all(path.startswith("models/runs/") for path in read_rights(world))


@pytest.mark.parametrize(
    "model",
    [
        blob("host.json", container="azure-webjobs-secrets"),
        blob("runs/a/b/1/m.ilearner", container="other"),
        blob("m.ilearner", container=MODELS),
        blob("Runs/m.ilearner", container=MODELS),
        blob("runs", container=MODELS),
        blob("runs/", container=MODELS),
        blob("runs/../x/m.ilearner", container=MODELS),
    ],
)
def test_no_other_blob_is_ever_signed_for_an_endpoint(model: BlobVersion) -> None:
    world = Observed()
    serving = world.context.providers.serving(world.pipeline.endpoints[0])
    world.blobs.put(model.container, model.name, b"model")
    state = state_of(world.blobs.head(model.container, model.name) or model)
    shift = Shift(candidate=Candidate(name="x", state=state), share=100)
    gives: tuple[Callable[[], object], ...]
    gives = (lambda: serving.shift(shift), lambda: serving.restore(state))
    for give in gives:
        with pytest.raises(PermanentError, match="is not a model of this app"):
            give()
    assert not world.blobs.signed
    assert not world.changes()


def test_a_copy_from_before_the_run_is_made_again() -> None:
    world = Observed()
    model = a_model(world, "experimentoutput/x.ilearner")
    sas = world.blobs.sign(model.container, model.name, Access.READ, 9 * HOUR).signature
    reporting(world, model.path, sas)
    run: Run = world.until(world.start(), Phase.VERIFYING)
    kept = baseline(world)
    assert kept is not None
    assert kept.model is not None
    assert blob_of(kept.model).modified >= run.opened_at
    assert world.pipeline.endpoint is not None
    del world.documents.rows[f"endpoints/{world.pipeline.endpoint.ref.id}"]
    newer = a_model(world, "experimentoutput/x.ilearner")
    again = world.next_run("later.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.until(again, Phase.VERIFYING)
    second = baseline(world)
    assert second is not None
    assert second.model is not None
    assert blob_of(second.model).modified >= again.opened_at
    assert blob_of(second.model).content_md5 == newer.content_md5


def test_a_new_services_old_uri_is_named_again_and_never_signed() -> None:
    world = Observed()
    secret = a_model(world, SECRET_PATHS[0])
    update = (
        "https://studio.example/subscriptions/s/resourceGroups/g/providers"
        "/Microsoft.MachineLearning/webServices/x"
    )
    known = Resource(baseline=state_of(secret))
    endpoint_state = EndpointState(ref=ref(update), resources={"": known})
    written = {"name": "new", "kind": "webservice", "update": update}
    endpoint = StudioEndpoint.model_validate(written, context={"development": False})
    serving = world.context.providers.serving(endpoint)
    assert rollback_target_of(serving, endpoint_state, "") == state_of(secret)
    assert not world.blobs.signed
