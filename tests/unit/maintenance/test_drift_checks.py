"""One look at an endpoint after another: what is kept of it, reported, and set right."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.drift import DriftCheck, DriftKind
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.state import EndpointLease, Resource, ServedModel
from shared.errors import ConflictError, PermanentError, TransientError
from shared.execution.drift_schedule import drift_check_id, schedule_drift_check
from shared.ledger.open_markers import encoded, hints_of
from shared.maintenance.drift import Drift
from tests.fakes.world import RESOURCE
from tests.unit.samples import BROKEN, NOW, SILENT, blob, good, ref
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OURS, OTHER = good("0.1", "0.2"), good("0.8", "0.9")


class Watched(Scripted):
    """An endpoint that serves our model, as its record says, and is due to be looked at."""

    def __init__(self, **served: Any) -> None:
        super().__init__()
        self.model_ = self.model()
        self.run: Run = sample(
            Phase.PROMOTED, config=self.world.pipeline, model=self.model_, tokens={"name": "new"}
        )
        self.ledger.runs.create(self.run)
        known = {"model": self.model_, "answers": OURS, "manifest": (blob(),), **served}
        self.served = ServedModel(run_id="sample-1", since=NOW, verification="", **known)
        self.put_endpoint_state(resources={RESOURCE: Resource(serving=self.served)})
        self.name = drift_check_id(ref(self.url), RESOURCE)
        self.drift_check()
        self.configured = tuple(self.world.pipeline.endpoints)
        app = self.world.app_over(self.context)
        self.drift = Drift(self.context, app.factory, app.writer, lambda _: self.configured)

    def drift_check(self, **changes: Any) -> None:
        known = {
            "ref": ref(self.url),
            "place": RESOURCE,
            "pipeline": "sample",
            "endpoint": "production",
            "next_check": NOW,
            "host": "studio.example",
            **changes,
        }
        stored = self.ledger.drift_checks.read(self.name)
        self.ledger.drift_checks.put(
            self.name, DriftCheck(**known), stored.etag if stored else None
        )

    def now(self) -> DriftCheck:
        stored = self.ledger.drift_checks.read(self.name)
        assert stored is not None
        return stored.record

    def wait(self) -> timedelta:
        """How long it is to the next look."""
        return self.now().next_check - self.world.clock.now()

    def look(self, probe: ProbeAnswers | Exception | None = OURS, **look: Any) -> list[Run]:
        """Look once, and return the runs that were opened to set the model again."""
        known: Any = probe
        if not isinstance(probe, Exception):
            known = EndpointCheck(
                **{"progress": UpdateProgress.NOT_REPORTED, "probe": probe, **look}
            )
        self.endpoint.probe_series = [known]
        self.drift.check(self.world.clock.now() + MINUTE)
        return [run for run in self.world.runs() if run.origin is Origin.DRIFT]

    def drifted(self) -> list[Run]:
        """Have two looks agree that another model serves."""
        self.look(OTHER)
        self.world.clock.time = self.now().next_check
        return self.look(OTHER)


def test_an_endpoint_is_looked_at_when_it_is_due_and_then_an_hour_later() -> None:
    watched = Watched()
    watched.drift_check(
        reported="it names x",
        repair="sample-9",
        suspicion="odd",
        drift_kind=DriftKind.NAMED,
        silent=True,
    )
    assert watched.look() == []
    known = watched.now()
    assert watched.wait() == HOUR
    assert (known.reported, known.repair, known.suspicion, known.drift_kind) == ("", None, "", None)
    assert not known.silent
    assert len(watched.endpoint.asked) == 1
    watched.world.clock.move(HOUR - SECOND)
    watched.look()
    assert len(watched.endpoint.asked) == 1
    watched.world.clock.move(SECOND)
    watched.look()
    assert len(watched.endpoint.asked) == 2


def test_nothing_is_looked_at_once_the_time_is_up() -> None:
    watched = Watched()
    watched.drift.check(watched.world.clock.now())
    assert watched.endpoint.asked == []


def test_those_that_are_due_the_longest_come_first_and_those_that_were_silent_last() -> None:
    watched = Watched()
    checked: list[str] = []
    del watched.world.documents.rows[f"drift_checks/{watched.name}"]
    known = {"ref": ref(watched.url), "place": "x", "pipeline": "sample", "endpoint": "e"}
    for name, minutes, silent in (
        ("a", 1, False),
        ("b", 3, False),
        ("c", 9, True),
        ("d", 2, False),
    ):
        one = DriftCheck(**known, next_check=NOW - minutes * MINUTE, host="h", silent=silent)  # type: ignore[arg-type]
        watched.ledger.drift_checks.put(name, one, None)
    read = watched.ledger.drift_checks.read

    def noted(name: str) -> Any:
        checked.append(name)
        return read(name)

    watched.ledger.drift_checks.read = noted  # type: ignore[method-assign, assignment]
    watched.drift.check(NOW + MINUTE)
    assert checked == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("error", "silent", "says"),
    [
        (TransientError("busy"), True, "cannot be looked at now: busy"),
        (PermanentError("refused"), False, "cannot be looked at now: refused"),
        (KeyError("odd"), False, "the endpoint cannot be looked at"),
    ],
)
def test_an_endpoint_that_cannot_be_looked_at_is_looked_at_again_in_five_minutes(
    error: Any, says: str, caplog: pytest.LogCaptureFixture, *, silent: bool
) -> None:
    watched = Watched()

    def fails(operation: str | None = None) -> EndpointCheck:
        raise error

    watched.endpoint.look = fails  # type: ignore[method-assign]
    watched.look()
    assert watched.wait() == 5 * MINUTE
    assert watched.now().silent is silent
    assert f"watch {watched.name}: {says}" in caplog.text or says in caplog.text


def test_a_watch_that_cannot_be_put_off_stays_due(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    watched = Watched()

    def fails(*_: object) -> None:
        raise TransientError("storage is busy")

    monkeypatch.setattr(watched.ledger.drift_checks, "put", fails)
    watched.look(TransientError("busy"))
    assert f"watch {watched.name} stays due: storage is busy" in caplog.text
    assert watched.now().next_check == NOW


def test_a_watch_that_another_worker_looks_at_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    watched = Watched()

    def late(*_: object) -> None:
        raise ConflictError("drift_checks")

    monkeypatch.setattr(watched.ledger.drift_checks, "put", late)
    watched.look()
    assert f"watch {watched.name}: another worker looks at it" in caplog.text


def test_an_endpoint_without_an_answer_is_silent_and_looked_at_again_soon() -> None:
    watched = Watched()
    assert watched.look(SILENT) == []
    assert (watched.wait(), watched.now().silent) == (5 * MINUTE, True)
    watched.endpoint.probe_series = [EndpointCheck(UpdateProgress.NOT_REPORTED, SILENT)]
    assert not watched.drift._look(watched.name)  # its host is given less of the time
    assert watched.drift._look("none")


def test_one_odd_look_is_looked_at_once_more_and_kept_to_compare_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched()
    assert watched.look(OTHER) == []
    known = watched.now()
    assert watched.wait() == 10 * SECOND
    assert (known.drift_kind, known.suspect) == (DriftKind.ANSWERS, OTHER)
    assert known.suspicion == "its answers are not those that were proved"
    assert "endpoint production of sample has drifted: its answers" in caplog.text
    assert "looking once more" in caplog.text
    watched.world.clock.move(10 * SECOND)
    assert watched.look() == []
    assert watched.now().suspect is None


def test_two_odd_looks_that_agree_have_the_model_set_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched()
    (repair,) = watched.drifted()
    noticed = (ref(watched.url).id, RESOURCE, (NOW + 10 * SECOND).isoformat())
    assert repair.run_id == run_id("sample", "drift", *noticed)
    assert (repair.origin, repair.phase) == (Origin.DRIFT, Phase.PROMOTING)
    assert repair.cause == "production has drifted: its answers are not those that were proved"
    assert (repair.model, repair.manifest) == (watched.model_, (blob(),))
    assert (repair.tokens, repair.parameters) == (watched.run.tokens, watched.run.parameters)
    assert (repair.as_of, repair.pipeline) == (watched.run.data_time, "sample")
    assert repair.opened_at == watched.world.clock.now()
    (entry,) = repair.history
    assert (entry.at, entry.phase, entry.note) == (repair.opened_at, Phase.PROMOTING, repair.cause)
    assert [one.name for one in repair.config.endpoints] == ["production"]
    marker = watched.world.documents.rows[f"open/{repair.run_id}"]
    assert marker.metadata == encoded(hints_of(repair))
    known = watched.now()
    assert (known.reported, known.repair) == (known.reported, repair.run_id)
    assert known.reported == "its answers are not those that were proved"
    assert watched.wait() == HOUR
    (alert,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (alert["event_id"], alert["run_id"]) == ("RL1006", "sample-1")
    assert "the model of run sample-1 should serve" in caplog.text


def test_a_repair_that_is_open_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    (repair,) = watched.drifted()
    watched.world.clock.time = watched.now().next_check
    assert len(watched.drifted()) == 1
    assert f"run {repair.run_id} waits" in caplog.text
    assert watched.now().repair == repair.run_id


@pytest.mark.parametrize(
    ("phase", "opened"),
    [(Phase.PROMOTED, 2), (Phase.SUPERSEDED, 2), (Phase.CANCELLED, 1)],
)
def test_a_drift_that_a_person_accepted_is_left(
    phase: Phase, opened: int, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()
    (repair,) = watched.drifted()
    stored = watched.ledger.runs.read(repair.run_id)
    assert stored is not None
    watched.ledger.runs.replace(stored.record.moved_to(phase, NOW), stored.etag)
    watched.world.clock.time = watched.now().next_check
    assert len(watched.drifted()) == opened
    assert ("as a person accepted" in caplog.text) is (opened == 1)
    if opened == 1:
        assert watched.now().repair == repair.run_id
        watched.world.clock.time = watched.now().next_check
        watched.look(BROKEN)  # another drift is another thing
        watched.world.clock.time = watched.now().next_check
        assert len(watched.look(BROKEN)) == 2


def test_a_second_drift_of_one_model_waits_for_a_person() -> None:
    watched = Watched(repairs=1)
    (repair,) = watched.drifted()
    assert (repair.phase, repair.parked_in) == (Phase.PARKED, Phase.PROMOTING)
    assert repair.reason == f"{repair.cause}, again after its model was set again"
    assert str(repair.advice).startswith("find out who else updates this endpoint")


def test_a_repair_that_another_worker_opened_is_the_same(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relearn")
    watched = Watched()
    watched.look(OTHER)
    watched.world.clock.time = watched.now().next_check
    noticed = (ref(watched.url).id, RESOURCE, watched.now().next_check.isoformat())
    other = run_id("sample", "drift", *noticed)
    watched.ledger.runs.create(
        sample(Phase.PROMOTING, run_id=other, origin=Origin.DRIFT, config=watched.world.pipeline)
    )
    assert len(watched.look(OTHER)) == 1
    assert watched.now().repair == other
    assert f"run {other} was opened by another worker" in caplog.text


# Who else is at work there


@pytest.mark.parametrize(
    ("phase", "checks", "wait", "repairs"),
    [
        (Phase.VERIFYING, 0, 5 * MINUTE, 0),
        (Phase.PARKED, 2, HOUR, 0),
        (Phase.AWAITING_APPROVAL, 2, HOUR, 1),
        (Phase.FAILED, 2, HOUR, 1),
        (None, 2, HOUR, 1),
    ],
)
def test_a_run_that_updates_the_endpoint_or_is_parked_there_has_it_left_alone(
    phase: Phase | None,
    checks: int,
    wait: timedelta,
    repairs: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched()
    if phase is not None:
        watched.ledger.runs.create(sample(phase, run_id="sample-9"))
    endpoint_lease = EndpointLease(
        run_id="sample-9", resource="x", model=None, generation=1, at=NOW
    )
    watched.put_endpoint_state(
        resources={RESOURCE: Resource(serving=watched.served)}, endpoint_lease=endpoint_lease
    )
    found = watched.drifted() if checks else watched.look(OTHER)
    assert len(found) == repairs
    assert len(watched.endpoint.asked) == checks
    assert watched.wait() == wait
    held = "run sample-9 is parked and holds the endpoint: retry or cancel it"
    assert (held in caplog.text) is (phase is Phase.PARKED)


@pytest.mark.parametrize("gone", ["head", "serving", "run", "endpoint", "place"])
def test_an_endpoint_of_which_nothing_of_ours_is_known_is_left_for_an_hour(
    gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()
    if gone == "endpoint_state":
        del watched.world.documents.rows[f"endpoints/{ref(watched.url).id}"]
    elif gone == "serving":
        watched.put_endpoint_state(resources={RESOURCE: Resource()})
    elif gone == "run":
        del watched.world.documents.rows["runs/sample-1"]
    else:
        (one,) = watched.configured
        changes = {"update": f"{one.update}x"} if gone == "endpoint" else {"resource": "other"}
        watched.configured = (one.model_copy(update=changes),)
    watched.look(OTHER)
    assert watched.endpoint.asked == []
    assert watched.wait() == HOUR
    said = f"watch {watched.name}: not looked at, the record of run sample-1"
    assert (said in caplog.text) is (gone == "run")


# When the next look is


@pytest.mark.parametrize(
    ("planned", "wait", "due"),
    [
        (None, HOUR, HOUR),
        (timedelta(), 5 * MINUTE, 5 * MINUTE),
        (-MINUTE, HOUR, HOUR),
        (2 * MINUTE, HOUR, 2 * MINUTE),
        (HOUR, 5 * MINUTE, 5 * MINUTE),
    ],
)
def test_a_look_is_planned_for_the_earlier_time(
    planned: timedelta | None, wait: timedelta, due: timedelta
) -> None:
    watched = Watched()
    now = watched.world.clock.now()
    if planned is None:
        del watched.world.documents.rows[f"drift_checks/{watched.name}"]
    else:
        watched.drift_check(next_check=now + planned, suspicion="odd")
    (endpoint,) = watched.world.pipeline.endpoints
    schedule_drift_check(watched.context, watched.run, endpoint, wait)
    known = watched.now()
    assert known.next_check == now + due
    assert (known.ref.name, known.place, known.suspicion) == (endpoint.update, endpoint.place, "")
    assert (known.pipeline, known.endpoint, known.host) == (
        "sample",
        "production",
        "studio.example",
    )


def test_a_look_calls_the_host_that_scores_or_else_the_one_that_is_updated() -> None:
    watched = Watched()
    (endpoint,) = watched.world.pipeline.endpoints
    verify = endpoint.verify
    assert verify is not None
    elsewhere = verify.model_copy(update={"score": "https://score.example/execute"})
    update = {"update": "https://update.example/x", "resource": None}
    for changes, host in (
        ({**update, "verify": elsewhere}, "score.example"),
        ({**update, "verify": None}, "update.example"),
    ):
        one = endpoint.model_copy(update=changes)
        schedule_drift_check(watched.context, watched.run, one)
        stored = watched.ledger.drift_checks.read(drift_check_id(one.ref, one.place))
        assert stored is not None
        assert stored.record.host == host


def test_a_watch_that_cannot_be_stored_now_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()

    def fails(*_: object) -> None:
        raise TransientError("busy")

    monkeypatch.setattr(watched.ledger.drift_checks, "put", fails)
    schedule_drift_check(watched.context, watched.run, watched.world.pipeline.endpoints[0])
    assert "endpoint production is not being watched for now: busy" in caplog.text
