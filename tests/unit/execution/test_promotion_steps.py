"""The steps that change an endpoint, one call at a time: what is sent, kept and concluded."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.studio_models import blob_of
from shared.core.run.control_events import Event, StepBlocked, Superseded
from shared.core.run.promotion_events import (
    EndpointLeaseLost,
    FoundBroken,
    FoundUnchanged,
    NotYetLive,
    RolledBack,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.probe_series import ProbeSeries
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import ServingState
from shared.core.serving.state import Hold, ReleasedLease, Resource, ServedModel
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.execution.promotion import PromotionSteps
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import BROKEN, NOW, good, promotion, ref, step_failure
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OLD, NEW = good("0.1", "0.2"), good("0.8", "0.9")


class Step(Scripted):
    """A run that has the endpoint, and the steps over it."""

    def __init__(self, phase: Phase = Phase.PROMOTING, **known: Any) -> None:
        super().__init__(**known.pop("config", {}))
        self.steps = PromotionSteps(self.context)
        promoted = known.pop("promotion", {})
        changes = {"config": self.world.pipeline, "model": self.model(), **known}
        self.run: Run = sample(phase, promotion=promotion(**promoted), **changes)
        self.acquire_lease(self.run)

    def seen(self, probe: ProbeAnswers | None = NEW, **look: Any) -> EndpointCheck:
        return EndpointCheck(**{"progress": UpdateProgress.NOT_REPORTED, "probe": probe, **look})

    def look(self, *probe_series: EndpointCheck) -> Event | None:
        """Look so often, a look's time apart, and return what the last one came to."""
        event: Event | None = None
        for look in probe_series:
            self.world.clock.move(10 * SECOND)
            self.endpoint.probe_series = [look]
            event = self.steps.look(self.run)
            if not isinstance(event, NotYetLive):
                break
            self.run = event.fold(self.run, self.world.clock.now())
        return event


# Sending


def test_an_update_gives_the_runs_model_and_keeps_the_services_name_for_it() -> None:
    step = Step()
    assert step.steps.update(step.run) == UpdateSent(operation="op")
    assert step.endpoint.given == [step.run.target_model]
    assert step.endpoint.built_for == [step.world.pipeline.endpoints[0]]


def test_an_update_without_an_answer_is_looked_for_where_a_look_can_show_it() -> None:
    step = Step()
    step.endpoint.refuses = OutcomeUnknownError("no answer")
    assert step.steps.update(step.run) == UpdateSent(certain=False, service_message="no answer")
    blind = Step(config={"endpoint": {"verify": None}})
    blind.endpoint.refuses = OutcomeUnknownError("no answer")
    shows = blind.world.pipeline.endpoints[0].shows
    assert blind.steps.update(blind.run) == (
        UpdateSent(certain=False, service_message="no answer") if shows else None
    )


def test_a_model_that_is_gone_or_another_since_it_was_judged_is_not_sent() -> None:
    step = Step()
    step.model()  # written again: the same bytes
    step.steps.update(step.run)
    step.world.blobs.put(MODELS, blob_of(step.run.model).name, b"other")  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="is changed since it was judged"):
        step.steps.update(step.run)
    step.world.blobs.remove(MODELS, blob_of(step.run.model).name)  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="is gone since it was judged"):
        step.steps.update(step.run)
    assert len(step.endpoint.given) == 1


def test_only_a_run_that_sets_a_model_again_may_bring_none() -> None:
    step = Step(model=None)
    with pytest.raises(PermanentError, match="has no model to promote"):
        step.steps.update(step.run)
    assert step.endpoint.given == []
    back = step.run.model_copy(update={"origin": Origin.ROLLBACK})
    assert step.steps.update(back) == UpdateSent(operation="op")
    assert step.endpoint.given == [ServingState()]


def test_a_run_without_an_endpoint_or_a_promotion_is_told_as_such() -> None:
    step = Step()
    bare = step.run.model_copy(
        update={"config": step.run.config.model_copy(update={"endpoints": ()})}
    )
    with pytest.raises(PermanentError, match="has no endpoint to give a model to"):
        step.steps.update(bare)
    without = step.run.model_copy(update={"promotion": None})
    with pytest.raises(PermanentError, match="in phase promoting without a promotion"):
        step.steps.update(without)


# Whose endpoint it is


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_run_whose_endpoint_another_one_has_sends_nothing(phase: Phase) -> None:
    step = Step(phase)
    step.acquire_lease(step.run.model_copy(update={"run_id": "sample-9"}))
    taken = Superseded("another run has taken production over, and settles it")
    for act in (step.steps.update, step.steps.look, step.steps.roll_back):
        event = act(step.run)
        assert event == (taken if phase is Phase.ROLLING_BACK else EndpointLeaseLost())
    assert step.endpoint.given == []
    assert step.endpoint.asked == []


def test_a_reservation_is_ours_by_run_and_generation() -> None:
    step = Step(promotion={"generation": 2})
    step.acquire_lease(step.run.model_copy(update={"promotion": promotion(generation=1)}))
    assert step.steps.update(step.run) == EndpointLeaseLost()
    del step.world.documents.rows[f"endpoints/{ref(step.url).id}"]
    assert step.steps.update(step.run) == EndpointLeaseLost()


@pytest.mark.parametrize(
    ("released", "leased", "ours"),
    [
        (("sample-1", 1), False, True),
        (("sample-1", 2), False, False),
        (("sample-2", 1), False, False),
        (("sample-1", 1), True, False),
    ],
)
def test_what_was_given_back_ahead_of_a_crash_is_known_again(
    released: tuple[str, int], *, leased: bool, ours: bool
) -> None:
    for phase in (Phase.VERIFYING, Phase.PROMOTING):
        step = Step(phase)
        last = ReleasedLease(run_id=released[0], generation=released[1])
        if leased:
            step.acquire_lease(step.run.model_copy(update={"run_id": "sample-9"}), released=last)
        else:
            step.put_endpoint_state(released=last)
        event = step.steps.look(step.run)
        lost = isinstance(event, EndpointLeaseLost)
        assert lost is not (ours and phase is Phase.VERIFYING)


@pytest.mark.parametrize("to", ["judged", "trained", "start", "rolled_back", "unchanged"])
@pytest.mark.parametrize("parent", [None, "sample-9"])
def test_a_return_that_another_run_took_over_goes_on_to_what_is_done_anew(
    to: Any, parent: str | None
) -> None:
    step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": to}, parent=parent)
    step.acquire_lease(step.run.model_copy(update={"run_id": "sample-8"}))
    anew = parent is None and to in ("judged", "trained")
    event = step.steps.look(step.run)
    assert isinstance(event, RolledBack if anew else Superseded)


# Looking


def test_two_looks_of_one_moment_are_one_look() -> None:
    step = Step(Phase.VERIFYING)
    assert isinstance(step.look(step.seen(OLD)), NotYetLive)
    step.world.clock.move(5 * SECOND - timedelta(milliseconds=1))
    assert step.steps.look(step.run) is None
    assert len(step.endpoint.asked) == 1
    step.world.clock.move(timedelta(milliseconds=1))
    assert step.steps.look(step.run) is not None


def test_a_look_asks_for_the_operation_of_its_update() -> None:
    step = Step(Phase.VERIFYING, promotion={"operation": "op-7"})
    step.look(step.seen(OLD))
    assert step.endpoint.asked == ["op-7"]


def test_answers_while_the_service_is_at_work_are_not_compared_with() -> None:
    step = Step(Phase.VERIFYING)
    pending = step.look(step.seen(NEW, progress=UpdateProgress.PENDING))
    assert isinstance(pending, NotYetLive)
    assert pending.probe is None
    later = step.look(step.seen(OLD))
    assert isinstance(later, NotYetLive)
    assert later.probe == OLD


def test_a_model_that_answers_otherwise_twice_is_live_and_its_endpoint_watched() -> None:
    step = Step(Phase.VERIFYING)
    event = step.look(step.seen(NEW, configured="models/x"), step.seen(NEW, configured="models/x"))
    assert isinstance(event, VerifiedLive)
    assert event.probe == NEW
    serving = step.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    assert (serving.run_id, serving.model) == ("sample-1", step.run.model)
    assert (serving.answers, serving.named) == (NEW, "models/x")
    assert (serving.since, serving.verification) == (step.world.clock.now(), event.verification)
    assert step.endpoint_state().endpoint_lease is None
    (drift_check,) = step.ledger.drift_checks.due()
    assert drift_check.due == step.world.clock.now() + HOUR
    etag = step.world.documents.rows[f"endpoints/{ref(step.url).id}"].etag
    again = step.steps.look(step.run)  # a crash before the run was stored
    assert isinstance(again, VerifiedLive | NotYetLive)
    assert step.world.documents.rows[f"endpoints/{ref(step.url).id}"].etag == etag


def test_answers_that_vary_are_not_kept_as_those_of_the_model() -> None:
    step = Step(Phase.VERIFYING)
    varied = [good(f"0.{number}", "0.9") for number in range(5, 9)]
    event = step.look(*(step.seen(one) for one in varied[:3]))
    assert isinstance(event, VerifiedLive)
    serving = step.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    assert serving.answers is None


def test_a_model_that_does_not_work_is_taken_back() -> None:
    step = Step(Phase.VERIFYING)
    event = step.look(step.seen(None, progress=UpdateProgress.FAILED, detail="no memory"))
    assert event == FoundBroken("the service could not apply the update: no memory")
    assert step.endpoint_state().endpoint_lease is not None


def unchanged(step: Step, **look: Any) -> Event | None:
    """Have the endpoint answer as before until that is a verdict."""
    event: Event | None = None
    for _ in range(60):
        event = step.look(step.seen(OLD, **look))
        if not isinstance(event, NotYetLive):
            break
    return event


@pytest.mark.parametrize(("resent", "again"), [(0, True), (2, True), (3, False)])
def test_an_update_that_was_never_confirmed_is_sent_again_three_times(
    resent: int, *, again: bool
) -> None:
    step = Step(Phase.VERIFYING, promotion={"certain": False, "resent": resent})
    event = unchanged(step)
    assert isinstance(event, UpdateLost if again else FoundUnchanged)


@pytest.mark.parametrize(
    ("resent", "look", "again"),
    [
        (0, {"configured": "models/other"}, True),
        (1, {"configured": "models/other"}, False),
        (0, {"configured": None}, False),
        (0, {"configured": "models/runs/sample/sample-1/1/model.ilearner"}, False),
        (0, {"configured": "models/other", "progress": UpdateProgress.DONE}, False),
    ],
)
def test_an_accepted_update_is_sent_once_more_where_another_model_is_named(
    resent: int, look: dict[str, Any], *, again: bool
) -> None:
    step = Step(Phase.VERIFYING, promotion={"resent": resent})
    assert isinstance(unchanged(step, **look), UpdateLost if again else FoundUnchanged)


@pytest.mark.parametrize("rollback_target", [None, ServingState()])
def test_an_update_that_changes_nothing_says_whether_there_is_a_way_back(
    rollback_target: ServingState | None,
) -> None:
    step = Step(Phase.VERIFYING, promotion={"rollback_target": rollback_target})
    event = unchanged(step)
    assert isinstance(event, FoundUnchanged)
    assert event.can_roll_back is (rollback_target is not None)


def test_an_earlier_model_that_does_not_serve_again_is_left_to_a_person() -> None:
    step = Step(Phase.VERIFYING, origin=Origin.DRIFT)
    event = unchanged(step)
    assert isinstance(event, StepBlocked)
    assert event.reason.startswith("the earlier model does not serve: ")


# Going back


def test_a_return_sends_the_best_model_that_is_known() -> None:
    step = Step(Phase.ROLLING_BACK)
    other = step.model("runs/sample/sample-0/1/model.ilearner")
    served = ServedModel(model=other, run_id="sample-0", since=NOW, verification="", manifest=())
    step.acquire_lease(step.run, resources={RESOURCE: Resource(serving=served)})
    assert step.steps.roll_back(step.run) == UpdateSent(operation="op")
    assert step.endpoint.given == [ServingState(model=other)]
    step.endpoint.refuses = OutcomeUnknownError("no answer")
    assert step.steps.roll_back(step.run) == UpdateSent(certain=False, service_message="no answer")


def test_where_nothing_can_be_put_back_a_person_is_told_what_to_do() -> None:
    step = Step(Phase.ROLLING_BACK, reason="it does not score")
    event = step.steps.roll_back(step.run)
    assert isinstance(event, StepBlocked)
    assert event.reason.startswith("the model does not work (it does not score)")
    for to in ("judged", "trained"):
        step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": to})
        event = step.steps.roll_back(step.run)
        assert isinstance(event, StepBlocked)
        assert event.reason.startswith("the configuration changed since this model was judged")
    step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "start"})
    assert step.steps.roll_back(step.run) == RolledBack("nothing to put back first")


def with_rollback_target(**promoted: Any) -> Step:
    step = Step(Phase.ROLLING_BACK, promotion=promoted)
    step.acquire_lease(step.run, resources={RESOURCE: Resource(baseline=ServingState())})
    return step


@pytest.mark.parametrize("error", [PermanentError("refused"), TransientError("busy")])
def test_a_return_that_is_refused_is_an_error_unless_it_only_prepares(error: Any) -> None:
    step = with_rollback_target()
    step.endpoint.refuses = error
    with pytest.raises(type(error)):
        step.steps.roll_back(step.run)
    step = with_rollback_target(after_rollback="start")
    step.endpoint.refuses = PermanentError("refused")
    event = step.steps.roll_back(step.run)
    assert event == RolledBack("the model from before cannot be put back (refused): going on")


@pytest.mark.parametrize(
    ("count", "since", "patience", "goes_on"),
    [
        (None, timedelta(), None, False),
        (1, 2 * HOUR, None, False),
        (9, HOUR - SECOND, None, False),
        (9, HOUR, None, True),
        (9, HOUR, 2 * HOUR, False),
        (9, 2 * HOUR, 2 * HOUR, True),
    ],
)
def test_a_return_that_only_prepares_is_tried_for_as_long_as_is_worth_it(
    count: int | None, since: timedelta, patience: timedelta | None, *, goes_on: bool
) -> None:
    step = with_rollback_target(after_rollback="start")
    failed = step_failure(since=NOW - since, count=count) if count else None
    run = step.run.model_copy(update={"step_failure": failed})
    step.endpoint.refuses = TransientError("busy", patience=patience)
    if goes_on:
        assert isinstance(step.steps.roll_back(run), RolledBack)
    else:
        with pytest.raises(TransientError):
            step.steps.roll_back(run)


def settled_by(step: Step) -> bool:
    """Whether what another run left behind counts as settled."""
    mine = step.endpoint_state().endpoint_lease
    return mine is not None and mine.in_flight is None


def in_flight_update_found(**promoted: Any) -> Step:
    step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "start", **promoted})
    endpoint_state = step.acquire_lease(step.run)
    assert endpoint_state.endpoint_lease is not None
    left = endpoint_state.endpoint_lease.model_copy(update={"run_id": "sample-0"})
    step.put_endpoint_state(
        endpoint_lease=endpoint_state.endpoint_lease.model_copy(update={"in_flight": left})
    )
    return step


def test_what_was_left_behind_is_settled_once_the_model_from_before_answers() -> None:
    step = in_flight_update_found()
    assert not settled_by(step)
    event = step.look(*[step.seen(OLD)] * 40)
    assert isinstance(event, RolledBack)
    assert settled_by(step)


def test_what_was_left_behind_is_settled_where_there_is_nothing_to_put_back() -> None:
    step = in_flight_update_found()
    step.steps.roll_back(step.run)
    assert settled_by(step)


def test_a_model_that_is_back_gives_the_endpoint_back() -> None:
    step = Step(Phase.ROLLING_BACK)
    event = step.look(*[step.seen(OLD)] * 4)
    assert isinstance(event, RolledBack)
    endpoint_state = step.endpoint_state()
    assert endpoint_state.endpoint_lease is None
    assert endpoint_state.released == ReleasedLease(run_id="sample-1", generation=1)


def test_after_a_broken_model_two_looks_prove_the_old_one_and_else_more_are_needed() -> None:
    """An update that changed nothing may still switch: that is waited for."""
    broken = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "rolled_back"})
    other = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "unchanged"})
    probe_series = [broken.seen(OLD)] * 2
    assert isinstance(broken.look(*probe_series), RolledBack)
    assert isinstance(other.look(*probe_series), NotYetLive)


def not_back(step: Step) -> Event | None:
    event: Event | None = None
    for _ in range(80):
        event = step.look(step.seen(BROKEN))
        if not isinstance(event, NotYetLive):
            break
    return event


@pytest.mark.parametrize(
    ("promoted", "expected"),
    [
        ({"certain": False, "resent": 2}, UpdateLost),
        ({"certain": False, "resent": 3}, StepBlocked),
        ({"certain": True}, StepBlocked),
        ({"certain": True, "after_rollback": "start"}, RolledBack),
    ],
)
def test_a_model_that_is_not_back_is_sent_again_or_left_to_a_person(
    promoted: dict[str, Any], expected: type
) -> None:
    step = Step(Phase.ROLLING_BACK, promotion=promoted)
    event = not_back(step)
    assert isinstance(event, expected)
    if isinstance(event, StepBlocked):
        assert event.reason.startswith("the old model does not serve again: ")
    if isinstance(event, RolledBack):
        assert event.verification.startswith("the model from before could not be proved (")


def test_what_another_run_left_at_another_place_is_put_back_there() -> None:
    for phase, place in ((Phase.ROLLING_BACK, "other"), (Phase.VERIFYING, RESOURCE)):
        step = Step(phase, promotion={"rollback_resource": "other"})
        step.look(step.seen(OLD))
        assert step.endpoint.built_for[-1].resource == place
    group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearning"
    web = {"kind": "webservice", "update": f"https://management.azure.com{group}/webServices/w"}
    config = {"endpoint": {**web, "workspace_token": None}}
    step = Step(Phase.ROLLING_BACK, promotion={"rollback_resource": ""}, config=config)
    step.look(step.seen(OLD))
    assert step.endpoint.built_for[-1].resource is None


@pytest.mark.parametrize("phase", [Phase.VERIFYING, Phase.ROLLING_BACK])
@pytest.mark.parametrize("to", ["rolled_back", "start"])
def test_a_record_that_is_removed_under_a_look_stops_nothing(phase: Phase, to: Any) -> None:
    step = Step(phase, promotion={"after_rollback": to})
    probe = NEW if phase is Phase.VERIFYING else OLD
    look = step.endpoint.look
    name = f"endpoints/{ref(step.url).id}"

    def removed(operation: str | None = None) -> EndpointCheck:
        step.world.documents.rows.pop(name, None)
        return look(operation)

    step.endpoint.look = removed  # type: ignore[method-assign]
    event: Event | None = NotYetLive(None, ProbeSeries())
    for _ in range(40):
        if isinstance(event, NotYetLive):
            step.acquire_lease(step.run)
            event = step.look(step.seen(probe))
    assert isinstance(event, VerifiedLive | RolledBack)
    assert name not in step.world.documents.rows


def test_where_the_record_is_gone_the_way_back_is_the_one_that_was_recorded() -> None:
    step = Step(Phase.ROLLING_BACK)
    del step.world.documents.rows[f"endpoints/{ref(step.url).id}"]
    assert (
        step.steps._rollback_target(step.run, step.world.pipeline.endpoints[0], step.serving)
        == ServingState()
    )


def test_a_hold_of_a_person_stays_when_a_model_goes_live() -> None:
    step = Step(Phase.VERIFYING)
    hold = Hold(run_id="sample-5", to="x", by="ada", at=NOW)
    step.acquire_lease(step.run, resources={RESOURCE: Resource(held=hold)})
    assert isinstance(step.look(*[step.seen(NEW)] * 2), VerifiedLive)
    assert step.endpoint_state().resource(RESOURCE).held == hold
