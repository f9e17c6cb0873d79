"""Every hour each endpoint is proved again; what was changed behind our back is set right once."""

import json
from datetime import timedelta

import pytest

from local.studio import InstantTrainer
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.drift import DriftCheck, confirmed, drift_finding
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.core.serving.state import ServedModel
from shared.intake.rollbacks import EndpointAddress
from shared.ledger.endpoints import DriftChecks, DueDriftCheck
from shared.maintenance.drift import Drift
from shared.operations.commands import OperatorCommand
from shared.providers.http.client import Answer
from tests.fakes.clock import START
from tests.fakes.faults import Kind
from tests.fakes.world import MODELS
from tests.unit.samples import BROKEN, REFUSED, SILENT, good, ref, state_of
from tests.unit.worlds import Observed, refused

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def live() -> tuple[Observed, Run]:
    world = Observed()
    return world, world.until(world.start(), Phase.PROMOTED)


def meddle(world: Observed, name: str = "foreign", data: bytes = b"a,b,label\n9,9,1\n") -> None:
    """Have somebody else PATCH the endpoint, and let it switch."""
    trained = InstantTrainer().train({"input1": data}, {}, label=None)
    model = world.blobs.put(MODELS, f"baselines/{name}.ilearner", trained.model)
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(model))
    world.clock.move(MINUTE)


def repairs(world: Observed) -> list[Run]:
    return [run for run in world.runs() if run.origin is Origin.DRIFT]


def pass_time(world: Observed, hours: float = 1.2) -> None:
    world.idle(HOUR * hours)


def test_an_endpoint_that_serves_what_it_should_is_left_alone() -> None:
    world, _ = live()
    sent = len(world.changes())
    pass_time(world, 5)
    assert len(world.changes()) == sent
    assert not repairs(world)


def test_a_foreign_model_is_noticed_within_the_hour_and_ours_is_set_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, run = live()
    ours = world.serving()
    meddle(world)
    assert world.serving() != ours
    pass_time(world)
    (repair,) = repairs(world)
    assert repair.phase is Phase.PROMOTED
    assert world.serving() == ours
    assert "drifted" in caplog.text
    endpoint_state = world.endpoint_state().resource("Sample [trained model]")
    assert endpoint_state.serving is not None
    assert endpoint_state.serving.run_id == run.run_id
    assert endpoint_state.serving.set_by == repair.run_id
    assert endpoint_state.previous == ()


def test_an_endpoint_that_cannot_be_watched_any_more_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, run = live()
    del world.documents.rows[f"runs/{run.run_id}"]
    meddle(world)
    pass_time(world)
    assert f"the record of run {run.run_id}, whose model serves, is gone" in caplog.text


def test_a_second_drift_of_one_model_waits_for_a_person() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    foreign = world.serving()
    pass_time(world)
    first, second = sorted(repairs(world), key=lambda run: run.opened_at)
    assert first.phase is Phase.PROMOTED
    assert second.phase is Phase.PARKED
    assert "again" in (second.reason or "")
    assert world.serving() == foreign
    world.run_operations.retry(second.run_id)
    world.until(second, Phase.PROMOTED)
    assert world.serving() != foreign


def test_a_new_promotion_may_be_repaired_once_again() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    newer = world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    pass_time(world)
    assert [run.phase for run in repairs(world)] == [Phase.PROMOTED, Phase.PROMOTED]
    assert world.serving() == world.model_of(newer)


def test_one_odd_look_is_not_taken_for_drift() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    broken = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")
    world.script("POST", "/execute", broken, times=1)
    pass_time(world)
    assert not repairs(world)


@pytest.mark.parametrize(
    ("look", "settled"),
    [
        (EndpointCheck(UpdateProgress.NOT_REPORTED, good("1")), True),
        (EndpointCheck(UpdateProgress.NOT_REPORTED, None), True),
        (EndpointCheck(UpdateProgress.NOT_REPORTED, SILENT), False),
        (EndpointCheck(UpdateProgress.NOT_REPORTED, REFUSED), False),
        (EndpointCheck(UpdateProgress.PENDING, good("2")), False),
    ],
)
def test_a_look_without_good_answers_says_nothing_of_drift(
    look: EndpointCheck, *, settled: bool
) -> None:
    served = ServedModel(run_id="r", since=START, verification="", manifest=(), answers=good("1"))
    seen = drift_finding(served, look)
    assert (seen.drift, seen.drift_kind, seen.settled) == ("", None, settled)
    assert seen.answers == (None if look.progress is UpdateProgress.PENDING else look.probe)


def test_an_endpoint_that_does_not_answer_has_not_drifted() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    world.script("POST", "/execute", refused(503, "ServiceUnavailable", "busy"), times=None)
    pass_time(world, 3)
    assert not repairs(world)


def test_a_held_model_is_set_again_too() -> None:
    world, _ = live()
    world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    hand = world.app.endpoints
    world.until(
        hand.rollback(EndpointAddress("sample", "production"), None, OperatorCommand(by="boss")),
        Phase.PROMOTED,
    )
    wanted = world.serving()
    meddle(world)
    pass_time(world)
    assert world.serving() == wanted


def test_an_endpoint_that_is_being_updated_is_not_judged() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    newer = world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.until(newer, Phase.VERIFYING)
    pass_time(world)
    assert not repairs(world)


def test_what_an_update_under_way_brings_is_not_taken_for_drift() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    newer = world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.studio.work()
    world.app.model_events.model_arrived(f"runs/sample/{newer.run_id}/1/model.ilearner")
    assert world.now_of(newer).phase is Phase.VERIFYING
    for _ in range(4):  # the endpoint has switched, and its run has not looked yet
        world.clock.move(MINUTE)
        world.app.poll.drift.check(world.clock.now() + MINUTE)
    assert not repairs(world)
    world.until(newer, Phase.PROMOTED)


def test_a_repair_that_another_model_overtook_ends_superseded() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    pass_time(world)
    parked = next(run for run in repairs(world) if run.phase is Phase.PARKED)
    world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    serving = world.serving()
    world.run_operations.retry(parked.run_id)
    world.until(parked, Phase.SUPERSEDED)
    assert world.serving() == serving


def test_after_a_takeover_the_endpoint_is_proved_again_soon() -> None:
    world = Observed()
    run = world.start()
    world.until(run, Phase.TRAINING)
    patch = len(world.faults.sites)
    calm = Observed()
    calm.until(calm.start(), Phase.PROMOTED)
    site = next(i for i, s in enumerate(calm.faults.sites) if s.startswith("PATCH"))
    assert site >= patch
    world.faults.plan = {site: Kind.CRASH_AFTER}
    while not world.now_of(run).phase.ended:
        world.survive(world.tick)
    assert world.now_of(run).phase is Phase.PROMOTED
    checked = world.http.sent.count(f"GET {world.pipeline.endpoints[0].update}")
    world.idle(10 * MINUTE)
    assert world.http.sent.count(f"GET {world.pipeline.endpoints[0].update}") == checked + 1


def test_an_unchanged_endpoint_costs_two_calls_an_hour_and_one_write() -> None:
    world, _ = live()
    world.idle(2 * HOUR)
    world.calls.clear()
    sent = len(world.http.sent)
    world.idle(HOUR)
    assert len(world.http.sent) - sent == 2
    assert world.calls.count("replace drift_checks") == 1
    assert world.calls.count("create drift_checks") == 0


def test_a_probe_that_is_refused_says_nothing_about_the_model() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    world.script("POST", "/execute", Answer(404, {}, b"gone"), times=None)
    pass_time(world, 3)
    assert not repairs(world)


def test_however_many_endpoints_are_due_a_tick_looks_at_them_for_a_part_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, _ = live()
    checks: list[str] = []

    def look(_: Drift, name: str) -> bool:
        world.clock.move(timedelta(seconds=20))
        checks.append(name)
        return True

    many = [DueDriftCheck(f"{number:020}", world.clock.now()) for number in range(100)]
    monkeypatch.setattr(DriftChecks, "due", lambda _: iter(many))
    monkeypatch.setattr(Drift, "_check", look)
    began = world.clock.now()
    world.poll.tick()
    assert world.clock.now() - began <= world.limits.tick / 4
    assert checks == [drift_check.drift_check_id for drift_check in many][: len(checks)]


def parked_at_the_endpoint(world: Observed) -> Run:
    """Park a run that holds the endpoint, before anything of it was sent."""
    bad = refused(400, "InvalidInputNames", "Invalid service input name(s).")
    mend = world.script("PATCH", "/production", bad, times=None)
    parked = world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PARKED)
    mend()
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.run_id == parked.run_id
    return parked


def test_drift_is_told_of_while_a_parked_run_holds_the_endpoint_and_that_run_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, _ = live()
    ours = world.serving()
    parked = parked_at_the_endpoint(world)
    meddle(world)
    caplog.clear()
    pass_time(world)
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("RL1006" in line and parked.run_id in line for line in told), told
    assert not repairs(world)
    assert world.serving() != ours
    world.run_operations.cancel(parked.run_id)
    pass_time(world)
    (repair,) = repairs(world)
    world.until(repair, Phase.PROMOTED)
    assert world.serving() == ours


def test_a_parked_run_that_is_retried_goes_on_although_the_endpoint_drifted() -> None:
    world, _ = live()
    parked = parked_at_the_endpoint(world)
    meddle(world)
    pass_time(world, 2.4)
    assert not repairs(world)
    world.run_operations.retry(parked.run_id)
    world.until(parked, Phase.PROMOTED)
    pass_time(world)
    assert not repairs(world)
    assert world.serving() == world.model_of(parked)


MISSING = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")
LOADING = refused(400, "ModuleLoadFailed", "the module cannot be loaded")


def odd_probes(*answers: Answer) -> Observed:
    """Return a world whose endpoint answered these on two looks in a row, an hour on."""
    world, _ = live()
    world.clock.move(HOUR)
    left = list(answers)

    def scripted(method: str, path: str) -> Answer | None:
        return left.pop(0) if left and method == "POST" and path.endswith("/execute") else None

    world.http.answers.append(scripted)
    for _ in range(len(answers)):
        world.clock.move(MINUTE)
        world.app.poll.drift.check(world.clock.now() + MINUTE)
    assert not left
    return world


def scored(*scores: str) -> Answer:
    rows = [[score, score] for score in scores]
    value = {"ColumnNames": ["Scored Labels", "Scored Probabilities"], "Values": rows}
    return Answer(200, {}, json.dumps({"Results": {"output1": {"value": value}}}).encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MISSING, LOADING),
        (MISSING, scored("7", "8")),
        (scored("7", "8"), MISSING),
        (scored("7", "8"), scored("8", "9")),
    ],
    ids=["two errors", "error and answers", "answers and error", "two answers"],
)
def test_two_different_oddities_are_no_drift(one: Answer, other: Answer) -> None:
    assert not repairs(odd_probes(one, other))
    assert not repairs(odd_probes(one, other, one, other))
    assert len(repairs(odd_probes(one, other, other))) == 1


@pytest.mark.parametrize("drift_kind", [MISSING, scored("7", "8")], ids=["error", "answers"])
def test_the_same_oddity_twice_is_drift(drift_kind: Answer) -> None:
    assert len(repairs(odd_probes(drift_kind, drift_kind))) == 1


def test_an_error_that_names_its_request_is_the_same_error() -> None:
    first, second = (
        refused(400, "LibraryExecutionError", f"missing feature(s): 'hello' (request {request})")
        for request in ("0af7651916cd43dd", "b7ad6b7169203331")
    )
    assert len(repairs(odd_probes(first, second))) == 1


@pytest.mark.parametrize(
    ("names", "drifted"), [(("a", "b"), False), (("a", "a"), True)], ids=["two", "the same"]
)
def test_an_endpoint_that_names_two_other_models_in_turn_is_in_the_middle_of_a_change(
    names: tuple[str, str], *, drifted: bool
) -> None:
    served = ServedModel(
        run_id="r",
        since=START,
        verification="",
        manifest=(),
        answers=good("1"),
        named="models/mine",
    )
    checks = [
        drift_finding(
            served,
            EndpointCheck(UpdateProgress.NOT_REPORTED, good("1"), configured=f"models/{name}"),
        )
        for name in names
    ]
    drift_check = DriftCheck(ref=ref("u"), place="", pipeline="p", endpoint="e", next_check=START)
    first, second = checks
    suspected = {"suspicion": first.drift, "drift_kind": first.drift_kind, "suspect": first.answers}
    assert confirmed(drift_check.model_copy(update=suspected), second) is drifted
    broken = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, BROKEN, configured="models/mine")
    )
    assert not confirmed(drift_check.model_copy(update=suspected), broken)
    otherwise = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, good("1"), configured="models/mine")
    )
    assert not otherwise.drift
    moved = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, good("2"), configured="models/mine")
    )
    both = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, good("2"), configured="models/a")
    )
    known = {"suspicion": both.drift, "drift_kind": both.drift_kind, "suspect": both.answers}
    assert not confirmed(drift_check.model_copy(update=known), moved)
