"""Successive drift checks of an endpoint: records, alerts and repairs."""

from typing import Any

import pytest

from shared.core.names import run_id
from shared.core.run.record import Origin, Phase
from shared.core.serving.drift import DriftCheck, DriftKind
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.errors import ConflictError, PermanentError, TransientError
from shared.ledger.open_markers import encoded, hints_of
from tests.fakes.world import RESOURCE
from tests.unit.maintenance.checked_endpoints import HOUR, MINUTE, OTHER, SECOND, CheckedEndpoint
from tests.unit.samples import BROKEN, NOW, SILENT, blob, ref
from tests.unit.samples import run as sample


def test_an_endpoint_is_checked_when_it_is_due_and_then_an_hour_later() -> None:
    case = CheckedEndpoint()
    case.drift_check(
        reported="it names x",
        repair="sample-9",
        suspicion="odd",
        drift_kind=DriftKind.NAMED,
        silent=True,
    )
    assert case.check() == []
    known = case.now()
    assert case.wait() == HOUR
    assert (known.reported, known.repair, known.suspicion, known.drift_kind) == ("", None, "", None)
    assert not known.silent
    assert len(case.endpoint.asked) == 1
    case.world.clock.move(HOUR - SECOND)
    case.check()
    assert len(case.endpoint.asked) == 1
    case.world.clock.move(SECOND)
    case.check()
    assert len(case.endpoint.asked) == 2


def test_nothing_is_checked_once_the_time_is_up() -> None:
    case = CheckedEndpoint()
    case.drift.check(case.world.clock.now())
    assert case.endpoint.asked == []


def test_those_that_are_due_the_longest_come_first_and_those_that_were_silent_last() -> None:
    case = CheckedEndpoint()
    checked: list[str] = []
    del case.world.documents.rows[f"drift_checks/{case.name}"]
    known = {"ref": ref(case.url), "resource": "x", "pipeline": "sample", "endpoint": "e"}
    for name, minutes, silent in (
        ("a", 1, False),
        ("b", 3, False),
        ("c", 9, True),
        ("d", 2, False),
    ):
        one = DriftCheck(**known, next_check=NOW - minutes * MINUTE, host="h", silent=silent)  # type: ignore[arg-type]
        case.ledger.drift_checks.put(name, one, None)
    read = case.ledger.drift_checks.read

    def noted(name: str) -> Any:
        checked.append(name)
        return read(name)

    case.ledger.drift_checks.read = noted  # type: ignore[method-assign, assignment]
    case.drift.check(NOW + MINUTE)
    assert checked == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("error", "silent", "message"),
    [
        (TransientError("busy"), True, "cannot be checked now: busy"),
        (PermanentError("refused"), False, "cannot be checked now: refused"),
        (KeyError("odd"), False, "the endpoint cannot be checked"),
    ],
)
def test_an_endpoint_that_cannot_be_checked_is_checked_again_in_five_minutes(
    error: Any, message: str, caplog: pytest.LogCaptureFixture, *, silent: bool
) -> None:
    case = CheckedEndpoint()

    def fails(operation: str | None = None) -> EndpointCheck:
        raise error

    case.endpoint.check = fails  # type: ignore[method-assign]
    case.check()
    assert case.wait() == 5 * MINUTE
    assert case.now().silent is silent
    assert f"drift check {case.name}: {message}" in caplog.text or message in caplog.text


def test_a_drift_check_that_cannot_be_put_off_stays_due(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    case = CheckedEndpoint()

    def fails(*_: object) -> None:
        raise TransientError("storage is busy")

    monkeypatch.setattr(case.ledger.drift_checks, "put", fails)
    case.check(TransientError("busy"))
    assert f"drift check {case.name} stays due: storage is busy" in caplog.text
    assert case.now().next_check == NOW


def test_a_drift_check_that_another_worker_checks_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    case = CheckedEndpoint()

    def late(*_: object) -> None:
        raise ConflictError("drift_checks")

    monkeypatch.setattr(case.ledger.drift_checks, "put", late)
    case.check()
    assert f"drift check {case.name}: another worker checks it" in caplog.text


def test_an_endpoint_without_an_answer_is_silent_and_checked_again_soon() -> None:
    case = CheckedEndpoint()
    assert case.check(SILENT) == []
    assert (case.wait(), case.now().silent) == (5 * MINUTE, True)
    case.endpoint.probe_series = [EndpointCheck(UpdateProgress.NOT_REPORTED, SILENT)]
    assert not case.drift._check_one(case.name)  # its host is given less of the time
    assert case.drift._check_one("none")


def test_one_odd_probe_is_checked_once_more_and_kept_to_compare_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = CheckedEndpoint()
    assert case.check(OTHER) == []
    known = case.now()
    assert case.wait() == 10 * SECOND
    assert (known.drift_kind, known.suspect) == (DriftKind.ANSWERS, OTHER)
    assert known.suspicion == "its answers are not those that were verified"
    assert "endpoint production of sample has drifted: its answers" in caplog.text
    assert "checking once more" in caplog.text
    case.world.clock.move(10 * SECOND)
    assert case.check() == []
    assert case.now().suspect is None


def test_two_odd_probes_that_agree_have_the_model_set_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = CheckedEndpoint()
    (repair,) = case.drifted()
    noticed = (ref(case.url).id, RESOURCE, (NOW + 10 * SECOND).isoformat())
    assert repair.run_id == run_id("sample", "drift", *noticed)
    assert (repair.origin, repair.phase) == (Origin.DRIFT, Phase.PROMOTING)
    assert repair.cause == "production has drifted: its answers are not those that were verified"
    assert (repair.model, repair.manifest) == (case.model_, (blob(),))
    assert (repair.tokens, repair.parameters) == (case.run.tokens, case.run.parameters)
    assert (repair.as_of, repair.pipeline) == (case.run.data_time, "sample")
    assert repair.opened_at == case.world.clock.now()
    (entry,) = repair.history
    assert (entry.at, entry.phase, entry.note) == (repair.opened_at, Phase.PROMOTING, repair.cause)
    assert [one.name for one in repair.config.endpoints] == ["production"]
    marker = case.world.documents.rows[f"open/{repair.run_id}"]
    assert marker.metadata == encoded(hints_of(repair))
    known = case.now()
    assert (known.reported, known.repair) == (known.reported, repair.run_id)
    assert known.reported == "its answers are not those that were verified"
    assert case.wait() == HOUR
    (alert,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (alert["event_id"], alert["run_id"]) == ("RL1006", "sample-1")
    assert "the model of run sample-1 should serve" in caplog.text


def test_a_repair_that_is_open_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    case = CheckedEndpoint()
    (repair,) = case.drifted()
    case.world.clock.time = case.now().next_check
    assert len(case.drifted()) == 1
    assert f"run {repair.run_id} waits" in caplog.text
    assert case.now().repair == repair.run_id


@pytest.mark.parametrize(
    ("phase", "opened"),
    [(Phase.PROMOTED, 2), (Phase.SUPERSEDED, 2), (Phase.CANCELLED, 1)],
)
def test_a_drift_that_an_operator_accepted_is_left(
    phase: Phase, opened: int, caplog: pytest.LogCaptureFixture
) -> None:
    case = CheckedEndpoint()
    (repair,) = case.drifted()
    stored = case.ledger.runs.read(repair.run_id)
    assert stored is not None
    case.ledger.runs.replace(stored.record.moved_to(phase, NOW), stored.etag)
    case.world.clock.time = case.now().next_check
    assert len(case.drifted()) == opened
    assert ("as an operator accepted" in caplog.text) is (opened == 1)
    if opened == 1:
        assert case.now().repair == repair.run_id
        case.world.clock.time = case.now().next_check
        case.check(BROKEN)  # another drift is another thing
        case.world.clock.time = case.now().next_check
        assert len(case.check(BROKEN)) == 2


def test_a_second_drift_of_one_model_waits_for_an_operator() -> None:
    case = CheckedEndpoint(repairs=1)
    (repair,) = case.drifted()
    assert (repair.phase, repair.parked_in) == (Phase.PARKED, Phase.PROMOTING)
    assert repair.reason == f"{repair.cause}, again after its model was set again"
    assert str(repair.advice).startswith("find out who else updates this endpoint")


def test_a_repair_that_another_worker_opened_is_the_same(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relearn")
    case = CheckedEndpoint()
    case.check(OTHER)
    case.world.clock.time = case.now().next_check
    noticed = (ref(case.url).id, RESOURCE, case.now().next_check.isoformat())
    other = run_id("sample", "drift", *noticed)
    case.ledger.runs.create(
        sample(Phase.PROMOTING, run_id=other, origin=Origin.DRIFT, config=case.world.pipeline)
    )
    assert len(case.check(OTHER)) == 1
    assert case.now().repair == other
    assert f"run {other} was opened by another worker" in caplog.text
