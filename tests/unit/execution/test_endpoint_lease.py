"""An endpoint is reserved: whose turn it is, what answers before, and what can be put back."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.studio_models import model_of
from shared.core.evaluation.gate import Verdict
from shared.core.run.control_events import Event, StepBlocked, Superseded
from shared.core.run.gate_events import Regressed
from shared.core.run.promotion_events import EndpointLeased, InFlightUpdateFound
from shared.core.run.record import Origin, Phase, Run, StepFailure
from shared.core.serving.probe_series import LEAST_PROBES
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointLease, Hold, Resource, ServedModel
from shared.errors import PermanentError, TransientError
from shared.execution.endpoint_lease import EndpointLeaseSteps
from shared.providers.studio.current import Current
from tests.fakes.blobs import ACCOUNT
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import BROKEN, NOW, REFUSED, SILENT, good, promotion
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OLD = good("0.1", "0.2")
RULE = {
    "gate": {
        "metrics": "output2",
        "rules": [{"metric": "Accuracy", "max_drop": 0.01}],
        "first_model": "allow",
    }
}


class Asking(Scripted):
    """A run that wants the endpoint, which answers as before and can be refreshed."""

    def __init__(self, pipeline: dict[str, Any] | None = None, **changes: Any) -> None:
        endpoint = changes.pop("endpoint", {})
        super().__init__(pipeline=pipeline or {}, endpoint=endpoint)
        self.steps = EndpointLeaseSteps(self.context)
        known = {"config": self.world.pipeline, "model": self.model(), "promotion": None}
        self.run: Run = sample(Phase.PROMOTING, **{**known, **changes})
        self.endpoint.probe_series = [self.seen(OLD)]

    def seen(self, probe: ProbeAnswers | None) -> EndpointCheck:
        return EndpointCheck(UpdateProgress.NOT_REPORTED, probe)

    def acquire_lease_(self) -> Event:
        return self.steps.acquire_lease(self.run)

    def served(self, run_id: str = "sample-0", **known: Any) -> ServedModel:
        given = {"since": NOW, "verification": "", "manifest": (), **known}
        return ServedModel(run_id=run_id, **given)

    def serves(self, *served: ServedModel, **more: Any) -> None:
        first, *others = served
        resource = Resource(serving=first, previous=tuple(others), **more)
        self.put_endpoint_state(resources={RESOURCE: resource})

    def names(self, relative: str, base: str = ACCOUNT, sas: str = "") -> None:
        self.endpoint.current_ = Current(location=(base, relative, sas), refreshable=True)


def test_what_answers_and_what_serves_are_known_before_the_endpoint_is_ours() -> None:
    asking = Asking()
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.before == OLD
    assert event.promotion.rollback_target == ServingState()
    assert (event.promotion.generation, event.promotion.expected) == (1, None)
    endpoint_state = asking.endpoint_state()
    assert endpoint_state.ref.name == asking.url
    assert endpoint_state.resource(RESOURCE).baseline == ServingState()
    mine = endpoint_state.endpoint_lease
    assert mine == EndpointLease(
        run_id="sample-1",
        resource=RESOURCE,
        model=asking.run.model,
        generation=1,
        at=asking.world.clock.now(),
    )
    assert asking.endpoint.ensured == 1


def test_a_reservation_that_is_there_already_is_not_written_again() -> None:
    asking = Asking()
    asking.acquire_lease_()
    writes = len(asking.world.faults.sites)
    asking.endpoint.probe_series = [asking.seen(OLD)]
    again = asking.acquire_lease_()
    assert isinstance(again, EndpointLeased)
    assert again.promotion.generation == 1
    assert len(asking.world.faults.sites) == writes


def test_a_run_without_an_endpoint_is_told_as_such() -> None:
    asking = Asking()
    asking.run = asking.run.model_copy(
        update={"config": asking.run.config.model_copy(update={"endpoints": ()})}
    )
    with pytest.raises(PermanentError, match="has no endpoint to give a model to"):
        asking.acquire_lease_()


@pytest.mark.parametrize(
    ("resources", "refused"),
    [(("other",), True), ((), True), ((RESOURCE, "o"), False), (None, False)],
)
def test_a_resource_that_the_endpoint_does_not_have_is_named_with_those_it_has(
    resources: tuple[str, ...] | None, *, refused: bool
) -> None:
    asking = Asking()
    asking.endpoint.current_ = Current(resources=resources, refreshable=True)
    if not refused:
        assert isinstance(asking.acquire_lease_(), EndpointLeased)
        return
    with pytest.raises(PermanentError) as caught:
        asking.acquire_lease_()
    had = "'other'" if resources else "none: is it a training service?"
    assert str(caught.value).endswith(f"it has {had}")
    assert caught.value.cure == "correct `resource` of the endpoint in pipelines.yaml"
    assert asking.endpoint.asked == []


# Whose turn it is


@pytest.mark.parametrize(
    ("newest", "superseded"),
    [(NOW + timedelta(seconds=1), True), (NOW, False), (None, False)],
)
def test_a_model_of_older_data_gives_way_to_the_one_that_serves(
    newest: Any, *, superseded: bool
) -> None:
    asking = Asking()
    asking.put_endpoint_state(resources={RESOURCE: Resource(newest_data=newest)})
    event = asking.acquire_lease_()
    assert isinstance(event, Superseded) is superseded
    if isinstance(event, Superseded):
        when = "2026-03-01 12:00:01 UTC"
        assert event.reason == f"production already serves a model of newer data ({when})"


def test_an_endpoint_that_a_person_holds_is_given_nothing_new() -> None:
    asking = Asking()
    hold = Hold(run_id="sample-5", to="sample-0", by="ada", at=NOW)
    asking.put_endpoint_state(resources={RESOURCE: Resource(held=hold)})
    event = asking.acquire_lease_()
    assert isinstance(event, StepBlocked)
    assert (
        "is held since 2026-03-01 12:00 UTC: ada went back to the model of sample-0" in event.reason
    )


@pytest.mark.parametrize(
    ("hold", "stands"), [("sample-1", True), ("sample-2", False), (None, False)]
)
def test_a_rollback_goes_on_only_while_the_hold_is_its_own(
    hold: str | None, *, stands: bool
) -> None:
    asking = Asking(origin=Origin.ROLLBACK)
    held = Hold(run_id=hold, to="x", by="ada", at=NOW) if hold else None
    asking.put_endpoint_state(resources={RESOURCE: Resource(held=held, newest_data=NOW + DAY)})
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased if stands else Superseded)


def test_a_repair_goes_on_only_while_its_model_is_the_one_that_should_serve() -> None:
    for model, stands in (("mine", True), ("other", False), (None, False)):
        asking = Asking(origin=Origin.DRIFT)
        other = asking.model("runs/sample/sample-0/1/model.ilearner")
        if model is not None:
            served = asking.served(
                model=asking.run.model if model == "mine" else other, answers=OLD
            )
            asking.serves(served, newest_data=NOW + DAY)
        event = asking.acquire_lease_()
        assert isinstance(event, EndpointLeased if stands else Superseded)
        if isinstance(event, EndpointLeased):
            assert event.promotion.expected == OLD  # what it answered when it was proved
            assert event.promotion.rollback_target is None  # an older one was not asked for
        else:
            assert event == Superseded("another model serves by now")


def test_a_run_at_work_on_the_endpoint_has_the_first_turn() -> None:
    for phase, waits in ((Phase.VERIFYING, True), (Phase.PARKED, False), (None, False)):
        asking = Asking()
        other = sample(phase or Phase.FAILED, run_id="sample-9", promotion=promotion())
        if phase is not None:
            asking.ledger.runs.create(other)
        asking.acquire_lease(other)
        if waits:
            with pytest.raises(TransientError, match="run sample-9 is updating") as told:
                asking.acquire_lease_()
            assert told.value.patience == 7 * DAY
        else:
            assert not isinstance(asking.acquire_lease_(), Superseded)


def test_what_another_run_left_unsettled_is_put_back_first() -> None:
    asking = Asking()
    before = good("0.5", "0.6")
    other = sample(Phase.PARKED, run_id="sample-9", promotion=promotion(before=before))
    asking.ledger.runs.create(other)
    asking.acquire_lease(other, resources={RESOURCE: Resource(baseline=ServingState())})
    event = asking.acquire_lease_()
    assert isinstance(event, InFlightUpdateFound)
    assert event.promotion.before == before
    assert event.promotion.rollback_target == ServingState()
    assert event.promotion.rollback_resource == RESOURCE
    assert asking.endpoint.asked == []  # what answers now says nothing
    mine = asking.endpoint_state().endpoint_lease
    assert mine is not None
    assert (mine.run_id, mine.generation) == ("sample-1", 2)
    assert mine.in_flight is not None
    assert mine.in_flight.run_id == "sample-9"


def test_what_was_left_by_a_run_without_record_has_no_answers_to_compare_with() -> None:
    asking = Asking()
    other = sample(Phase.PARKED, run_id="sample-9", promotion=promotion())
    asking.acquire_lease(other, resources={RESOURCE: Resource(baseline=ServingState())})
    event = asking.acquire_lease_()
    assert isinstance(event, InFlightUpdateFound)
    assert event.promotion.before is None


def test_where_nothing_can_be_put_back_first_the_update_goes_on() -> None:
    asking = Asking({"gate": {"first_model": "allow"}})
    asking.endpoint.current_ = Current()
    asking.acquire_lease(sample(Phase.PARKED, run_id="sample-9", promotion=promotion()))
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.before is None


# The gate, once more


def verdict(accuracy: float) -> Verdict:
    return Verdict(passed=True, reason="", metrics={"Accuracy": accuracy})


@pytest.mark.parametrize(
    ("accuracy", "live", "changes", "behind"),
    [
        (0.8, 0.9, {}, True),
        (0.9, 0.8, {}, False),
        (0.8, None, {}, False),
        (0.8, 0.9, {"origin": Origin.ROLLBACK}, False),
    ],
)
def test_a_model_is_held_against_the_one_that_went_live_meanwhile(
    accuracy: float, live: float | None, changes: dict[str, Any], *, behind: bool
) -> None:
    asking = Asking(RULE, verdict=verdict(accuracy), **changes)
    if live is not None:
        asking.serves(asking.served(metrics={"Accuracy": live}))
    event = asking.acquire_lease_()
    assert isinstance(event, Regressed) is behind
    assert asking.endpoint.ensured == (0 if behind or changes else 1)


# What answers before the update


@pytest.mark.parametrize(
    ("probe", "error", "says"),
    [
        (SILENT, TransientError, "the endpoint does not answer the probe: busy"),
        (REFUSED, PermanentError, "the probe is refused: no such URL"),
        (BROKEN, TransientError, "the endpoint answers the probe with an error"),
    ],
)
def test_nothing_is_reserved_while_the_endpoint_gives_no_good_answer(
    probe: ProbeAnswers, error: Any, says: str
) -> None:
    asking = Asking()
    asking.endpoint.probe_series = [asking.seen(probe)]
    with pytest.raises(error, match=says):
        asking.acquire_lease_()
    assert asking.ledger.endpoint_states.read("x") is None
    assert not [name for name in asking.world.documents.rows if name.startswith("endpoints/")]


@pytest.mark.parametrize(
    ("count", "patience", "taken"),
    [
        (LEAST_PROBES - 1, DAY, True),
        (LEAST_PROBES - 2, DAY, False),
        (LEAST_PROBES - 1, HOUR, False),
    ],
)
def test_errors_of_an_endpoint_are_believed_at_the_third_look(
    count: int, patience: timedelta, *, taken: bool
) -> None:
    failed = StepFailure(
        since=NOW,
        cause_since=NOW,
        patience=patience,
        count=9,
        cause_count=count,
        reason="",
        next_check=NOW,
    )
    asking = Asking(step_failure=failed)
    asking.endpoint.probe_series = [asking.seen(BROKEN)]
    if taken:
        event = asking.acquire_lease_()
        assert isinstance(event, EndpointLeased)
        assert event.promotion.before == BROKEN
    else:
        with pytest.raises(TransientError) as told:
            asking.acquire_lease_()
        assert told.value.patience == DAY


def test_without_a_probe_nothing_is_known_of_the_answers() -> None:
    asking = Asking(endpoint={"verify": None})
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.before is None
    assert asking.endpoint.asked == []


# What can be put back


def test_without_a_way_back_leave_is_needed() -> None:
    for gate, leased in (({}, False), ({"gate": {"first_model": "allow"}}, True)):
        asking = Asking(gate)
        asking.endpoint.current_ = Current(refreshable=False)
        event = asking.acquire_lease_()
        assert isinstance(event, EndpointLeased) is leased
        if isinstance(event, StepBlocked):
            assert "first_model: allow" in event.advice
            assert not [
                name for name in asking.world.documents.rows if name.startswith("endpoints/")
            ]


def test_the_way_back_is_the_newest_model_that_is_still_what_it_was() -> None:
    asking = Asking()
    names = [f"runs/sample/sample-{n}/1/model.ilearner" for n in range(5, 9)]
    models = [asking.model(name) for name in names]
    served = [asking.served(f"sample-{n}", model=models[n]) for n in range(4)]
    asking.serves(*served, baseline=ServingState())
    endpoint_state = asking.endpoint_state()
    assert asking.steps.rollback_target(asking.serving, endpoint_state, RESOURCE) == ServingState(
        model=models[0]
    )
    mine = asking.run.model_copy(update={"model": models[0]})
    assert asking.steps.rollback_target(
        asking.serving, endpoint_state, RESOURCE, instead_of=mine
    ) == ServingState(model=models[1])
    asking.world.blobs.put(MODELS, names[0], b"other")
    asking.world.blobs.remove(MODELS, names[1])
    assert asking.steps.rollback_target(asking.serving, endpoint_state, RESOURCE) == ServingState(
        model=models[2]
    )
    asking.world.blobs.remove(MODELS, names[2])
    asking.world.blobs.remove(MODELS, names[3])
    assert asking.steps.rollback_target(asking.serving, endpoint_state, RESOURCE) == ServingState()
    assert asking.steps.rollback_target(asking.serving, endpoint_state, "another") is None


def test_what_an_endpoint_serves_already_has_no_baseline_anew() -> None:
    asking = Asking({"gate": {"first_model": "allow"}})
    asking.serves(asking.served(model=asking.model("runs/sample/sample-0/1/model.ilearner")))
    asking.acquire_lease_()
    assert asking.endpoint_state().resource(RESOURCE).baseline is None
    asking = Asking()
    known = ServingState(model=asking.model("baselines/x.ilearner"))
    asking.put_endpoint_state(resources={RESOURCE: Resource(baseline=known)})
    asking.acquire_lease_()
    assert asking.endpoint_state().resource(RESOURCE).baseline == known


@pytest.mark.parametrize(
    ("relative", "ours"),
    [
        ("/models/runs/sample/s/1/x.ilearner", True),
        ("models/runs/sample/s/1/x.ilearner", True),
        ("models%2Fruns%2Fsample%2Fs%2F1%2Fx.ilearner", True),
        ("models/secrets/x.ilearner", False),
        ("other/runs/sample/s/1/x.ilearner", False),
        ("_models/runs/sample/s/1/x.ilearner", False),
        ("models", False),
    ],
)
def test_only_what_may_be_a_model_of_ours_is_looked_for(relative: str, *, ours: bool) -> None:
    asking = Asking()
    assert asking.serving.baselines._names_a_model_of_ours(relative) is ours


def test_a_model_of_ours_is_put_back_as_it_is_named() -> None:
    asking = Asking()
    model = asking.model("runs/sample/sample-0/1/model.ilearner")
    asking.names(f"/{model.name}")
    asking.acquire_lease_()
    assert asking.endpoint_state().resource(RESOURCE).baseline == ServingState(model=model)


@pytest.mark.parametrize(
    ("base", "relative", "sas", "source"),
    [
        (
            "https://a.example/",
            "/x/y z.ilearner",
            "?sig=1",
            "https://a.example/x/y%20z.ilearner?sig=1",
        ),
        ("https://a.example", "x/y.ilearner", "sig=1", "https://a.example/x/y.ilearner?sig=1"),
        ("https://a.example/_", "x/y.ilearner", "", "https://a.example/_/x/y.ilearner"),
        ("https://a.example", "x/y.ilearner", "_sig=1", "https://a.example/x/y.ilearner?_sig=1"),
    ],
)
def test_what_lies_elsewhere_is_copied_from_where_the_service_says_for_this_run_alone(
    base: str, relative: str, sas: str, source: str
) -> None:
    asking = Asking({"gate": {"first_model": "allow"}})
    copied: list[tuple[str, str, str, Any]] = []

    def adopt(source: str, container: str, name: str, since: Any = None) -> None:
        copied.append((source, container, name, since))

    asking.world.blobs.adopt = adopt  # type: ignore[method-assign]
    names = []
    for run in (asking.run, asking.run.model_copy(update={"run_id": "sample-2"})):
        asking.run = run
        asking.names(relative, base, sas)
        asking.endpoint.probe_series = [asking.seen(OLD)]
        asking.steps.acquire_lease(run)
        asking.world.documents.rows.clear()
        names.append(copied[-1][2])
    assert copied[0][0] == source
    assert (copied[0][1], copied[0][3]) == (MODELS, asking.run.opened_at)
    assert all(name.startswith("baselines/") and name.endswith(".ilearner") for name in names)
    assert names[0] != names[1]


def test_what_cannot_be_copied_is_no_way_back_and_never_another_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asking = Asking({"gate": {"first_model": "allow"}})

    def adopt(*_: object, **__: object) -> None:
        raise PermanentError("it is too large")

    asking.world.blobs.adopt = adopt  # type: ignore[method-assign]
    asking.names("x/y.ilearner", "https://a.example")
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.rollback_target is None
    assert "what serves now cannot be kept: it is too large" in caplog.text


def test_of_an_old_record_only_models_of_ours_are_given_to_a_classic_service() -> None:
    asking = Asking()
    foreign = asking.world.blobs.put("other", "x.ilearner", b"model")
    for place in (foreign, asking.world.blobs.put(MODELS, "notes.txt", b"model")):
        asking.serves(asking.served(model=model_of(place)))
        assert (
            asking.steps.rollback_target(asking.serving, asking.endpoint_state(), RESOURCE) is None
        )
