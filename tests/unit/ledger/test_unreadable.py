"""A record that cannot be read: the rest continues, and is shown."""

import logging
from copy import copy
from datetime import timedelta
from functools import cache
from typing import Final

import pytest

from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.names import run_queue_id
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.errors import CorruptRecordError
from shared.operations.history import History, RunFilter
from tests.fakes.world import MODELS
from tests.unit.intake.test_batches import arrive
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.worlds import RUNNING, Observed

SECOND, MINUTE, HOUR, DAY = (timedelta(**{n: 1}) for n in ("seconds", "minutes", "hours", "days"))


#: However a record is damaged, it is read as one of these three: `test_store.py`.
DAMAGES: Final = {
    "missing": None,
    "not JSON": b"{not json",
    "newer": b'{"schema_version": 3, "pipeline": "sample"}',
}


KINDS: Final = (
    "runs/holder",
    "runs/waiting",
    "runs/serving",
    "open/holder",
    "versions",
    "inbox",
    "run_queues",
    "shared_queues",
    "pauses",
    "index",
    "endpoints",
    "drift_checks",
    "pipelines",
    "schedules",
    "poll",
    "rotation",
    "search",
    "search_models",
    "full_listing",
    "existing",
    "cleaning",
)


#: Records that nothing reads within these minutes, or that are deleted without being read.
UNSEEN: Final = ("open/holder", "index", "cleaning", "inbox", "existing")


#: Records without which a whole pipeline, or all runs at one service, must wait.
WIDE: Final = ("shared_queues", "pauses", "pipelines")


class Full:
    """Two pipelines: one with a record of every kind, and another one."""

    def __init__(self) -> None:
        queue = {
            "when_busy": "queue",
            "key": "key",
            "schedule": HOURLY,
            "data": {"blob": "{key}-{name}.csv"},
        }
        self.world = world = Observed(config={"pipeline": queue, "training": {"max_parallel": 3}})
        self.other = world.sibling(
            schedule=HOURLY, endpoints=[], data={"blob": "beside/{name}.csv"}, when_busy="queue"
        )
        self.begin_anew()
        world.poll.start_scheduled()
        world.upload("beside/1.csv")
        serving = arrive(world, "live-1.csv")[0]
        world.until(serving, Phase.PROMOTED)
        world.script("GET", "", RUNNING, times=None)
        (holder,) = arrive(world, "a-1.csv")
        arrive(world, "a-2.csv")
        queued = self._asked()
        self.ids = {"holder": holder.run_id, "waiting": queued.run_id, "serving": serving.run_id}
        self.everything()

    def copied(self) -> "Full":
        """Return the same two pipelines in a world of their own, with a new worker."""
        made = copy(self)
        made.world = self.world.copied()
        made.begin_anew()
        return made

    def end_jobs(self) -> None:
        """Have the jobs end that ran until now."""
        self.world.http.answers.clear()

    def begin_anew(self) -> None:
        """Have a worker that remembers nothing."""
        self.world.app = self.world.another(self.other)

    def _asked(self) -> Run:
        request = ManualRequest(data="a-1.csv")
        return self.world.app.requests.requested(self.world.pipeline, "k", request)

    def name(self, kind: str) -> str:
        kind, _, of = kind.partition("/")
        if of:
            return f"{kind}/{self.ids[of]}"
        if kind in ("pauses", "pipelines", "schedules"):
            return f"{kind}/sample"
        if kind == "run_queues":
            return run_queue_id("sample", ("a",))
        known = [name for name in self.world.documents.rows if name.split("/")[0] == kind]
        return known[0] if known else kind

    def damage(self, kind: str, body: bytes | None) -> str:
        name = self.name(kind)
        if body is None:
            self.world.documents.rows.pop(name, None)
        else:
            self.world.damage(name, body)
        return name

    def everything(self) -> None:
        """Let every loop of the app go round once; none of them may raise."""
        world = self.world
        world.clock.move(MINUTE)
        world.studio.work()
        world.poll.start_scheduled()
        world.app.full_listings.run_until(world.clock.now() + MINUTE)
        world.app.search.run_until(world.clock.now() + MINUTE)
        world.poll.tick()
        world.app.poll.drift.check(world.clock.now() + MINUTE)
        History(world.context).page(RunFilter(), 50, None)

    def runs_of(self, pipeline: str) -> list[Run]:
        found = []
        for name in sorted(self.world.documents.rows):
            if name.startswith(f"runs/{pipeline}-"):
                try:
                    stored = self.world.context.ledger.runs.read(name[5:])
                except CorruptRecordError:
                    continue
                assert stored is not None
                found.append(stored.record)
        return found


@cache
def prepared() -> Full:
    """Return what is only to be copied."""
    return Full()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_all_else_continues_when_a_record_cannot_be_read(
    kind: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    full = prepared().copied()
    world = full.world
    full.end_jobs()
    with caplog.at_level(logging.WARNING):
        name = full.damage(kind, DAMAGES[how])
        full.begin_anew()
        world.upload("beside/2.csv", b"a,b,label\n1,2,0\n9,4,1\n")
        world.upload("b-1.csv", b"a,b,label\n1,2,0\n8,4,1\n")
        world.clock.move(50 * MINUTE)
        for _ in range(8):  # after these all runs are where they are to be
            full.everything()
    beside = full.runs_of("other")
    assert {run.phase for run in beside if run.origin is Origin.DATA} >= {Phase.FINISHED}
    assert [run for run in beside if run.origin is Origin.SCHEDULE]
    if kind not in WIDE:
        (arrived,) = [
            run for run in full.runs_of("sample") if run.key == ("b",) and run.origin is Origin.DATA
        ]
        assert arrived.job is not None
    if DAMAGES[how] is not None and kind not in UNSEEN:
        assert name in caplog.text, caplog.text[-2000:]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "kind", ["poll", "search", "pipelines", "schedules", "pauses", "run_queues"]
)
def test_the_views_of_the_other_pipelines_are_shown(kind: str) -> None:
    full = prepared().copied()
    full.damage(kind, b"{not json")
    shown = full.world.app.pipelines
    assert shown.status("other").pipeline.name == "other"
    assert shown.status("other", keys=False).pipeline.name == "other"


@pytest.mark.parametrize("kind", ["pipelines", "schedules", "versions"])
def test_a_pipeline_with_a_record_that_cannot_be_read_is_shown(kind: str) -> None:
    world = Observed(config={"pipeline": {"schedule": HOURLY, "endpoints": []}})
    world.poll.start_scheduled()
    arrive(world, "a.csv")
    names = [name for name in world.documents.rows if name.startswith(f"{kind}/")]
    for name in names:
        world.damage(name)
    pipelines = world.app.pipelines
    shown = pipelines.status("sample")
    assert shown.pipeline.name == "sample"
    assert shown.next_due is not None
    assert list(shown.unreadable) == (names if kind != "versions" else [])
    assert pipelines.preview("sample", None).matching == 1


def test_endpoints_are_shown_when_a_record_cannot_be_read() -> None:
    world = Observed()
    world.until(world.start(), Phase.PROMOTED)
    endpoints = world.app.endpoints
    (drift_check,) = [name for name in world.documents.rows if name.startswith("drift_checks/")]
    world.damage(drift_check)
    shown = endpoints.show(EndpointAddress("sample", "production"))
    assert drift_check in (shown.drift or "")
    assert "trained on" in shown.line
    (endpoint_state,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    world.damage(endpoint_state)
    (line,) = endpoints.lines()
    assert endpoint_state in line.line


def test_models_of_a_pipeline_in_error_do_not_hide_those_of_another() -> None:
    world = Observed()
    wrong = Problem("pipelines.yaml:3: pipelines.broken", "unknown key")
    sound = {world.pipeline.name: world.pipeline}
    world.file = Configuration(sound, (wrong,), {"broken": (wrong,)})
    world.restart()
    world.app.activations.refresh()
    world.clock.move(MINUTE)
    for number in range(250):
        world.blobs.put(MODELS, f"promote/broken/{number}.ilearner", b"model")
    world.blobs.put(MODELS, "promote/sample/better.ilearner", b"model")
    for _ in range(3):
        world.app.search.run_until(world.clock.now() + MINUTE)
    assert len(world.open_runs()) == 1
