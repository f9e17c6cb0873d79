"""The anchor: pinned by the first promotion or by an operator, and not lost by later ones."""

from typing import Any

import pytest

from shared.core.run.promoted_models import Verified, promoted
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.operator_changes import known_model, with_anchor
from shared.core.serving.state import Anchor, EndpointState, Resource
from tests.unit.samples import HOUR, NOW, UPDATE, good, model_ref, pipeline, ref, run

NAME = "Sample [trained model]"
COMPARE = {"predictions": "output2", "holdout": "training-data/holdout.csv"}
PINNING = {
    "compare": {**COMPARE, "anchor": "pinned"},
    "rules": [{"metric": "AUC", "max_drop": 0.01}],
}


def trained(number: int, gate: dict[str, Any] | None = None, **changes: Any) -> Run:
    name = f"sample-{number}"
    model = model_ref(f"runs/sample/{name}/1/model.ilearner", etag=f"0x{number}")
    config = pipeline(gate=gate or {})
    return run(Phase.PROMOTING, run_id=name, config=config, model=model, **changes)


def after(*runs: Run) -> EndpointState:
    state = EndpointState(ref=ref(UPDATE))
    for number, one in enumerate(runs):
        verified = Verified("it answers", NOW + number * HOUR, good("0.1"))
        state = promoted(state, one, NAME, verified)
    return state


def anchor_of(state: EndpointState) -> Anchor | None:
    return state.resource(NAME).anchor


def test_the_first_promotion_pins_where_the_gate_asks_for_an_anchor() -> None:
    state = after(trained(1, PINNING))
    anchor = anchor_of(state)

    assert anchor is not None
    assert (anchor.served.run_id, anchor.by, anchor.at) == ("sample-1", "the first promotion", NOW)
    assert anchor.served.answers is None  # it is read at every probe, and needs no answers
    assert anchor.served.target_model == state.resource(NAME).kept[0].target_model


def test_an_anchor_stays_however_many_models_are_promoted() -> None:
    state = after(*(trained(number, PINNING) for number in range(1, 12)))
    known = state.resource(NAME)

    assert "sample-1" not in [one.run_id for one in known.kept]
    anchor = anchor_of(state)
    assert anchor is not None
    assert anchor.served.run_id == "sample-1"
    assert known_model(known, "sample-1") == anchor.served


def test_nothing_is_pinned_where_no_gate_asks_for_it() -> None:
    without = {**PINNING, "compare": COMPARE}

    assert anchor_of(after(trained(1), trained(2, without))) is None
    assert anchor_of(after(trained(1), trained(2, PINNING))) is not None


@pytest.mark.parametrize("origin", [Origin.ROLLBACK, Origin.DRIFT])
def test_a_model_that_is_set_again_is_not_pinned(origin: Origin) -> None:
    state = after(trained(1), trained(2))
    again = trained(1, PINNING, origin=origin)
    state = promoted(state, again.evolve(run_id="sample-3"), NAME, Verified("it answers", NOW))

    assert state.resource(NAME).serving is not None
    assert anchor_of(state) is None


def test_a_rollback_to_the_anchor_keeps_what_is_known_of_it() -> None:
    state = after(*(trained(number, PINNING) for number in range(1, 12)))
    back = trained(1, PINNING, origin=Origin.ROLLBACK).evolve(run_id="sample-back")
    serving = promoted(state, back, NAME, Verified("again", NOW + 20 * HOUR)).resource(NAME).serving

    assert serving is not None
    assert (serving.run_id, serving.set_by, serving.first_at) == ("sample-1", "sample-back", NOW)


def test_only_an_endpoint_with_an_anchor_has_a_record_of_the_second_form() -> None:
    bare, pinned = after(trained(1)), after(trained(1, PINNING))

    assert (bare.schema_version, pinned.schema_version) == (1, 2)
    assert "anchor" not in bare.model_dump_json()
    assert with_anchor(pinned, NAME, None).schema_version == 1
    assert EndpointState.model_validate_json(pinned.model_dump_json()) == pinned


def test_a_model_is_found_by_the_run_that_trained_or_delivered_it() -> None:
    known = after(trained(1), trained(2, parent="sample-parent")).resource(NAME)

    assert known_model(known, None) == known.serving
    assert known_model(known, "sample-parent") == known.serving
    assert known_model(known, "sample-2") == known.serving
    assert known_model(known, "sample-9") is None
    assert known_model(Resource(), None) is None
