"""Which live model and anchor a job is given is recorded with the job."""

from typing import Any

import pytest

from shared.core.run.job_events import JobCreated
from shared.core.run.record import GivenModel, Phase, Run
from shared.core.serving.state import Anchor, EndpointState, Resource, ServedModel
from shared.execution.inputs import JobInputs, request_of
from tests.fakes.world import RESOURCE
from tests.unit.operations.endpoint_desk import THREE, served
from tests.unit.samples import NOW, UPDATE, model_ref, pipeline, ref
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

ANCHOR = Anchor(served=served("sample-0"), by="ada", at=NOW)
GIVEN = (
    GivenModel(
        against="live", run_id="sample-3", model=model_ref("runs/sample/sample-3/1/m.ilearner")
    ),
    GivenModel(
        against="anchor", run_id="sample-0", model=model_ref("runs/sample/sample-0/1/m.ilearner")
    ),
)
LIVE = {"training__parameters": {"Live model": "{live.model}"}}
BOTH = {"training__parameters": {"Live model": "{live.model}", "Anchor": "{anchor.model}"}}
COMPARED: dict[str, Any] = {
    "compare": {"predictions": "output2", "holdout": "training-data/h.csv", "anchor": "pinned"},
    "rules": [{"metric": "AUC", "max_drop": 0.01}],
}


def found(
    resource: Resource | None, *, asked: dict[str, Any] | None = None, **config: Any
) -> tuple[GivenModel, ...]:
    world = Observed()
    run = sample(Phase.RECEIVED, config=pipeline(**config), parameters=asked or {})
    if resource is not None:
        state = EndpointState(ref=ref(UPDATE), resources={RESOURCE: resource})
        world.context.ledger.endpoint_states.put(ref(UPDATE).id, state, None)
    for one in GIVEN:
        world.blobs.put("models", one.model.name.partition("/")[2], b"model")
    return JobInputs(world.context).other_models(run)


def test_the_models_of_the_endpoint_are_found() -> None:
    assert found(THREE.evolve(anchor=ANCHOR), **BOTH) == GIVEN
    assert found(THREE, **BOTH) == GIVEN[:1]
    assert found(Resource(), **BOTH) == found(None, **BOTH) == ()


def test_only_what_the_job_is_given_is_said_to_be_given() -> None:
    both = THREE.evolve(anchor=ANCHOR)
    assert found(both, **LIVE) == GIVEN[:1]
    assert found(both, training__parameters={"Anchor": "{anchor.model}"}) == GIVEN[1:]


def test_a_parameter_that_a_request_set_otherwise_gives_no_model() -> None:
    both = THREE.evolve(anchor=ANCHOR)
    assert found(both, asked={"Live model": "a model of mine"}, **BOTH) == GIVEN[1:]
    assert found(both, asked={"Live model": "{live.model}", "n": 3}, **BOTH) == GIVEN


def test_a_model_of_the_endpoints_own_service_cannot_be_given() -> None:
    serving: ServedModel = served("sample-3", model=None)
    assert found(Resource(serving=serving), **LIVE) == ()


@pytest.mark.parametrize("gate", [{}, COMPARED])
def test_nothing_is_looked_up_where_no_job_scores_other_models(gate: dict[str, Any]) -> None:
    assert found(THREE.evolve(anchor=ANCHOR), gate=gate) == ()


def test_the_record_of_the_job_has_them_and_the_request_those_that_are_wanted() -> None:
    run: Run = sample(Phase.RECEIVED, config=pipeline(**LIVE))
    made = JobCreated("j1", given_models=GIVEN).fold(run, NOW)

    assert made.given_models == GIVEN
    assert request_of(made).models == {"live": GIVEN[0].model}
    assert Run.model_validate_json(made.model_dump_json()) == made
    assert JobCreated("j2").fold(made, NOW).given_models == ()
    assert "given_models" not in run.model_dump_json()
