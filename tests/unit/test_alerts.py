"""An alert says the same as the record: once, or marked as repeated after a crash."""

import logging
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.errors import RelearnError
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Faults, Kind
from tests.unit.worlds import Observed, refused

HOUR = timedelta(hours=1)
GATED = {"gate": {"approval": "required", "expires": "1h"}}


def alerts(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Event, run and whether it was marked as repeated, of each alert so far."""
    return [
        (vars(record)["event_id"], vars(record)["version"], vars(record)["repeated"])
        for record in caplog.records
        if record.levelno == logging.ERROR and "version" in vars(record)
    ]


def test_an_approval_that_is_faster_than_the_expiry_leaves_no_alert(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed(config={"pipeline": GATED}, faults=Faults({}))
    run = world.until(world.start(), Phase.AWAITING_APPROVAL)
    world.clock.move(HOUR - timedelta(seconds=10))
    run_operations, approved = world.run_operations, []

    def approve() -> None:
        world.clock.move(-timedelta(seconds=20))  # the answer came in time
        with suppress(RelearnError):
            approved.append(run_operations.approve(run.run_id, OperatorCommand("ada")))
        world.clock.move(timedelta(seconds=20))

    world.faults.other_worker = approve
    world.clock.move(timedelta(seconds=10))
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    with suppress(RelearnError):
        world.app.driver.advance(run.run_id)
    world.faults.plan = {}
    assert approved
    assert world.until_idle(run).phase is Phase.PROMOTED
    assert alerts(caplog) == []


def failing(faults: Faults) -> Observed:
    world = Observed(faults=faults)
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    world.upload()
    world.survive(world.deliver)
    for _ in range(6):
        world.survive(world.tick)
    return world


def test_a_run_that_is_parked_is_reported_once_however_often_it_is_checked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = failing(Faults({}))
    world.idle(timedelta(hours=2), timedelta(minutes=5))
    assert [(alert, repeated) for alert, _, repeated in alerts(caplog)] == [("RL1001", "false")]


def test_a_crash_right_after_the_record_was_written_loses_no_alert(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calm = failing(Faults({})).faults.sites
    for call in [at for at, site in enumerate(calm) if site == "replace runs"]:
        caplog.clear()
        world = failing(Faults({call: Kind.CRASH_AFTER}))
        assert world.run().phase is Phase.PARKED
        found = alerts(caplog)
        assert {alert for alert, *_ in found} == {"RL1001"}, call
        assert len(found) == len(set(found)), call
        assert [repeated for *_, repeated in found[1:]] == ["true"] * len(found[1:]), call


def test_the_same_run_and_version_is_the_same_alert(caplog: pytest.LogCaptureFixture) -> None:
    world = failing(Faults({}))
    (run,) = world.runs()
    (found,) = alerts(caplog)
    assert found[1] == world.documents.rows[f"runs/{run.run_id}"].etag
