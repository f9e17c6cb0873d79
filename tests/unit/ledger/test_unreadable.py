"""One record that cannot be read is reported by its name, and stops nothing but itself."""

import logging
from datetime import timedelta
from typing import Any, Final

import pytest

from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.names import run_queue_id
from shared.core.run.record import Origin, Phase, Run
from shared.errors import CorruptRecordError, RelearnError
from shared.intake.eligibility import version_of
from shared.intake.full_listings import FullListings
from shared.intake.requests import ManualRequest
from shared.intake.search import Search
from shared.ledger.versions import VersionEntry
from shared.maintenance.drift import Drift
from shared.operations.endpoints import EndpointAddress, Endpoints
from shared.operations.history import History, RunFilter
from shared.operations.pipelines import Pipelines
from tests.fakes.world import MODELS
from tests.unit.execution.test_turns import ask
from tests.unit.intake.test_customers import Customers
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.intake.test_gathering import land, waiting
from tests.unit.worlds import RUNNING, Observed

SECOND, MINUTE, HOUR, DAY = (timedelta(**{n: 1}) for n in ("seconds", "minutes", "hours", "days"))
DAMAGES: Final = {
    "missing": None,
    "empty": b"",
    "not JSON": b"{not json",
    "newer": b'{"schema_version": 2, "pipeline": "sample"}',
    "wrong type": b"[1, 2]",
    "wrong fields": b'{"schema_version": 1, "phase": 7, "holders": "x"}',
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
    """Two pipelines: one with something in every kind of record, and one beside it."""

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
        serving = land(world, "live-1.csv")[0]
        world.until(serving, Phase.PROMOTED)
        self.stop = world.script("GET", "", RUNNING, times=None)
        (holder,) = land(world, "a-1.csv")
        land(world, "a-2.csv")
        queued = self._asked()
        self.ids = {"holder": holder.run_id, "waiting": queued.run_id, "serving": serving.run_id}
        self.everything()

    def begin_anew(self) -> None:
        """Have a worker that remembers nothing."""
        self.world.intake, self.world.poll = self.world.another(self.other)

    def _asked(self) -> Run:
        request = ManualRequest(data="a-1.csv")
        return self.world.intake.asked.requested(self.world.pipeline, "k", request)

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
        FullListings(world.intake._context, world.intake).run_until(world.clock.now() + MINUTE)
        Search(world.intake._context, world.intake).run_until(world.clock.now() + MINUTE)
        world.poll.tick()
        catalogue = world.intake.catalogue
        Drift(world.intake._context, catalogue.endpoints_of).check(world.clock.now() + MINUTE)
        History(world.intake._context).page(RunFilter(), 50, None)

    def runs_of(self, pipeline: str) -> list[Run]:
        found = []
        for name in sorted(self.world.documents.rows):
            if name.startswith(f"runs/{pipeline}-"):
                try:
                    stored = self.world.intake._context.ledger.runs.read(name[5:])
                except CorruptRecordError:
                    continue
                assert stored is not None
                found.append(stored.record)
        return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_beside_a_record_that_cannot_be_read_goes_on(
    kind: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    full = Full()
    world = full.world
    full.stop()
    with caplog.at_level(logging.INFO):
        name = full.damage(kind, DAMAGES[how])
        full.begin_anew()
        world.upload("beside/2.csv", b"a,b,label\n1,2,0\n9,4,1\n")
        world.upload("b-1.csv", b"a,b,label\n1,2,0\n8,4,1\n")
        world.clock.move(50 * MINUTE)
        for _ in range(14):
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
    full = Full()
    full.damage(kind, b"{not json")
    shown = Pipelines(full.world.intake._context, full.world.intake)
    assert shown.status("other").pipeline.name == "other"
    assert shown.status("other", keys=False).pipeline.name == "other"


# The queue


def queue_of_two(**training: Any) -> tuple[Observed, Run, Run]:
    config = {"pipeline": {"when_busy": "queue", "endpoints": []}, "training": training}
    world = Observed(config=config)
    (holder,) = land(world, "a.csv")
    world.script("GET", str(holder.job), RUNNING, times=None)
    asked = ask(world, "k1")
    assert asked.phase is Phase.WAITING
    return world, holder, asked


@pytest.mark.parametrize("training", [{}, {"max_parallel": 1}], ids=["key", "service"])
def test_a_holder_that_cannot_be_read_keeps_its_place_as_long_as_a_job_may_take(
    training: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world, holder, asked = queue_of_two(timeout="3h", **training)
    world.damage(f"runs/{holder.run_id}")
    world.idle(2 * HOUR)
    assert (
        Run.model_validate_json(world.documents.rows[f"runs/{asked.run_id}"].body).phase
        is Phase.WAITING
    )
    with caplog.at_level(logging.ERROR):
        world.idle(2 * HOUR if not training else DAY)
    assert world.now_of(asked).phase is not Phase.WAITING
    said = [r for r in caplog.records if "the queue goes on without it" in r.getMessage()]
    assert 1 <= len(said) <= 2
    assert all(holder.run_id in record.getMessage() for record in said)


@pytest.mark.parametrize("when_busy", ["queue", "newest"])
def test_data_waits_no_longer_either_for_a_holder_that_cannot_be_read(when_busy: str) -> None:
    world = Observed(config={"pipeline": {"when_busy": when_busy, "endpoints": []}})
    (holder,) = land(world, "a.csv")
    land(world, "b.csv")
    assert len(waiting(world)) == 1
    kept = world.documents.rows[f"runs/{holder.run_id}"]
    world.damage(f"runs/{holder.run_id}")
    world.idle(20 * HOUR, step=20 * MINUTE)
    assert len(waiting(world)) == 1
    world.idle(6 * HOUR, step=20 * MINUTE)
    world.documents.rows[f"runs/{holder.run_id}"] = kept
    assert waiting(world) == []
    assert sorted(run.manifest[0].name for run in world.runs()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("when_busy", ["queue", "newest", "parallel"])
def test_data_whose_run_cannot_be_read_is_not_tried_for_ever(when_busy: str) -> None:
    """Its worker died before the data left the inbox, and then the record was damaged."""
    config = {"when_busy": when_busy, "max_parallel": 9, "endpoints": []}
    world = Observed(config={"pipeline": config})
    (holder,) = land(world, "a.csv")
    blob = world.blobs.head("training-data", "a.csv")
    assert blob is not None
    version = version_of(world.pipeline, blob)
    world.intake._batches.keep(world.pipeline, blob, version)
    del world.documents.rows[run_queue_id("sample", ())]
    kept = world.documents.rows[f"runs/{holder.run_id}"]
    world.damage(f"runs/{holder.run_id}")
    world.clock.move(SECOND)
    world.upload("b.csv", b"a,b,label\n1,2,0\n7,4,1\n")
    world.deliver("b.csv")
    world.idle(26 * HOUR, step=20 * MINUTE)
    assert waiting(world) == []
    world.documents.rows[f"runs/{holder.run_id}"] = kept
    assert sorted(run.manifest[0].name for run in world.runs()) == ["a.csv", "b.csv"]


def test_a_waiting_run_that_cannot_be_read_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, holder, first = queue_of_two()
    second = ask(world, "k2")
    world.damage(f"runs/{first.run_id}")
    world.http.answers.clear()
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            world.clock.move(MINUTE)
            world.studio.work()
            world.poll.tick()
    assert world.now_of(holder).phase.ended
    assert world.now_of(second).phase is not Phase.WAITING
    assert first.run_id in caplog.text


def test_a_run_that_was_passed_over_waits_again_once_its_record_is_mended() -> None:
    world, _, first = queue_of_two()
    kept = world.documents.rows[f"runs/{first.run_id}"]
    second = ask(world, "k2")
    world.damage(f"runs/{first.run_id}")
    world.http.answers.clear()
    for _ in range(10):
        world.clock.move(MINUTE)
        world.studio.work()
        world.poll.tick()
    world.documents.rows[f"runs/{first.run_id}"] = kept
    for _ in range(40):
        world.tick()
    assert world.now_of(first).phase.ended
    assert world.now_of(second).phase.ended


def test_a_queue_that_cannot_be_read_parks_nobody_and_goes_on_once_it_is_mended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, _, asked = queue_of_two()
    name = run_queue_id("sample", ())
    kept = world.documents.rows[name]
    world.damage(name)
    with caplog.at_level(logging.ERROR):
        world.idle(3 * HOUR)
    assert world.now_of(asked).phase is Phase.WAITING
    assert 1 <= len([r for r in caplog.records if name in r.getMessage()]) <= 4
    world.documents.rows[name] = kept
    world.http.answers.clear()
    for _ in range(40):
        world.tick()
    assert world.now_of(asked).phase.ended


def test_a_pause_that_cannot_be_read_is_a_pause_and_ends_with_a_resume() -> None:
    world, _, asked = queue_of_two()
    world.damage("pauses/sample")
    world.http.answers.clear()
    for _ in range(10):
        world.tick()
    assert world.now_of(asked).phase is Phase.WAITING
    Pipelines(world.intake._context, world.intake).resume("sample")
    for _ in range(20):
        world.tick()
    assert world.now_of(asked).phase.ended


def test_a_run_that_cannot_be_read_is_read_seldom_and_reported() -> None:
    world, holder, _ = queue_of_two()
    world.damage(f"runs/{holder.run_id}")
    world.idle(5 * MINUTE)
    world.calls.clear()
    world.idle(HOUR)
    assert world.calls.count("read runs") <= 6 * 4  # a few for each time that it is looked at


# Due times


def customers_with_a_schedule(*names: str, **changes: Any) -> Customers:
    world = Customers()
    world.poll.tick()
    known: dict[str, Any] = {"schedule": HOURLY, "endpoints": (), "key": ("customer",)}
    world.pipeline = world.pipeline.model_copy(update={**known, **changes})
    world.restart()
    world.poll.start_scheduled()
    for name in names:
        world.upload(f"{name}/1.csv")
    return world


def damaged_version(world: Observed, name: str) -> str:
    """Damage the entry of the present version of a blob, and return its name."""
    blob = world.blobs.head("training-data", name)
    assert blob is not None
    entry = f"versions/{version_of(world.pipeline, blob)}"
    world.damage(entry)
    return entry


def hours(world: Observed, count: int) -> None:
    """Let due times come, each with new data of two customers of three."""
    for _ in range(count):
        world.clock.move(HOUR)
        for customer in ("acme", "gamma"):
            world.upload(f"{customer}/1.csv", str(world.clock.now()).encode())
        world.poll.start_scheduled()


def test_a_customers_version_does_not_keep_a_schedule_from_all_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("acme", "beta", "gamma")
    world = customers_with_a_schedule(*names, catch_up="all", skip_if_no_new_data=True)
    name = damaged_version(world, "beta/1.csv")
    with caplog.at_level(logging.ERROR):
        hours(world, 3)
    assert sorted(run.key for run in world.runs()) == [("acme",)] * 3 + [("gamma",)] * 3
    assert name in caplog.text
    dealt_with(world)


def test_a_customers_run_does_not_keep_a_schedule_from_all_the_others() -> None:
    world = customers_with_a_schedule("acme", "beta", "gamma", catch_up="all")
    hours(world, 1)
    (beta,) = [run for run in world.runs() if run.key == ("beta",)]
    del world.documents.rows["schedules/sample"]  # its worker died: it is dealt with once more
    world.damage(f"runs/{beta.run_id}")
    world.poll.start_scheduled()
    dealt_with(world)
    hours(world, 2)
    dealt_with(world)
    del world.documents.rows[f"runs/{beta.run_id}"]
    assert len([run for run in world.runs() if run.key == ("acme",)]) == 3


def dealt_with(world: Observed) -> None:
    known = world.intake._context.ledger.schedules.read("sample")
    assert known is not None
    assert (known.record.last_due, known.record.waiting) == (world.clock.now(), ())


def test_a_run_that_cannot_be_opened_now_is_opened_later_and_keeps_nobody_waiting() -> None:
    world = customers_with_a_schedule(*[f"c{number}" for number in range(9)])
    create, refused = world.documents.create, ["c3", "c5"]

    def leased(name: str, body: bytes, metadata: Any = None) -> Any:
        if name.startswith("runs/") and any(f'"{one}"'.encode() in body for one in refused):
            raise RelearnError("storage: the blob is leased")
        return create(name, body, metadata)

    world.documents.create = leased  # type: ignore[method-assign]
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert len({run.key for run in world.runs()}) == 7
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert len([run for run in world.runs() if "14:00" in run.cause]) == 7
    refused.clear()
    for _ in range(3):
        world.clock.move(6 * MINUTE)
        world.poll.start_scheduled()
    assert len([run for run in world.runs() if "13:00" in run.cause]) == 9
    assert len([run for run in world.runs() if "14:00" in run.cause]) == 9


# The search


def test_what_cannot_be_looked_up_makes_no_later_search_dearer() -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest", "endpoints": []}})
    world.intake.activate()
    for number in range(30):
        world.upload(f"{number:02}.csv")
    damaged = []
    for number in (3, 17):
        blob = world.blobs.head("training-data", f"{number:02}.csv")
        assert blob is not None
        damaged.append(f"versions/{version_of(world.pipeline, blob)}")
        entry = VersionEntry(pipeline="sample", blob=blob, run_id=None)
        world.documents.create(damaged[-1], entry.model_dump_json().encode())
        world.damage(damaged[-1])
    sweep = Search(world.intake._context, world.intake)
    costs = []
    for _ in range(5):
        world.clock.move(40 * MINUTE)
        world.calls.clear()
        sweep.run_until(world.clock.now() + MINUTE)
        costs.append(world.calls.count("read versions"))
    assert costs[0] == 30
    assert costs[1:] == [2, 2, 2, 2]  # those alone
    assert len(waiting(world)) == 28
    for name in damaged:
        del world.documents.rows[name]
    world.clock.move(40 * MINUTE)
    sweep.run_until(world.clock.now() + MINUTE)
    assert len(waiting(world)) == 30
    stored = world.intake._context.ledger.search.read()
    assert stored is not None
    assert stored.record.unread == ()


def test_a_search_remembers_a_bounded_number_of_names(caplog: pytest.LogCaptureFixture) -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest", "endpoints": []}})
    world.intake.activate()
    for number in range(230):
        world.upload(f"{number:03}.csv")
        blob = world.blobs.head("training-data", f"{number:03}.csv")
        assert blob is not None
        world.damage(f"versions/{version_of(world.pipeline, blob)}")
    world.clock.move(40 * MINUTE)
    with caplog.at_level(logging.ERROR):
        Search(world.intake._context, world.intake).run_until(world.clock.now() + MINUTE)
    stored = world.intake._context.ledger.search.read()
    assert stored is not None
    assert (len(stored.record.unread), stored.record.complete) == (200, True)
    assert "229.csv is not looked up again" in caplog.text


def test_models_are_looked_for_beside_data_that_cannot_be_read() -> None:
    world = Observed()
    world.intake.activate()
    world.damage("search")
    world.clock.move(MINUTE)
    world.blobs.put(MODELS, "promote/sample/better.ilearner", b"model")
    Search(world.intake._context, world.intake).run_until(world.clock.now() + MINUTE)
    assert world.open_runs() != []


@pytest.mark.parametrize("backfill", ["newest", "all"])
def test_one_pipelines_activation_does_not_stop_the_search_for_all(backfill: str) -> None:
    data = {"blob": "{name}.csv", "backfill": backfill}
    world = Observed(config={"pipeline": {"when_busy": "newest", "data": data, "endpoints": []}})
    other = world.sibling(data={"blob": "beside/{name}.csv"}, when_busy="newest", endpoints=[])
    world.intake, world.poll = world.another(other)
    world.intake.activate()
    world.damage("pipelines/sample")
    world.intake, world.poll = world.another(other)
    world.clock.move(MINUTE)
    world.upload("beside/1.csv")
    for _ in range(2):
        world.clock.move(20 * MINUTE)
        Search(world.intake._context, world.intake).run_until(world.clock.now() + MINUTE)
    assert len(waiting(world)) == 1


@pytest.mark.parametrize("kind", ["newest", "all"])
@pytest.mark.parametrize("damaged", ["activation", "version"])
def test_a_backfill_of_one_pipeline_does_not_keep_another_from_its_own(
    kind: str, damaged: str
) -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    data = {"blob": "{key}-{name}.csv", "backfill": kind}
    both = [
        world.sibling(name=name, data=data, key="key", endpoints=[], when_busy="parallel")
        for name in ("first", "second")
    ]
    for number in range(5):
        world.upload(f"k{number}-1.csv")
    world.clock.move(HOUR)
    world.intake, world.poll = world.another(*both)
    world.intake.activate()
    blob = world.blobs.head("training-data", "k1-1.csv")
    assert blob is not None
    of_one = f"versions/{version_of(both[0], blob)}"
    world.damage("pipelines/first" if damaged == "activation" else of_one)
    world.intake, world.poll = world.another(*both)
    for _ in range(6):
        Search(world.intake._context, world.intake).run_until(world.clock.now() + 3 * MINUTE)
        world.tick(300)
    trained = [run.manifest[0].name for run in world.runs() if run.pipeline == "second"]
    assert len(trained) == 5
    others = [run for run in world.runs() if run.pipeline == "first"]
    assert len(others) == (0 if damaged == "activation" else 4)


@pytest.mark.parametrize("kind", ["pipelines", "schedules", "versions"])
def test_a_pipeline_is_shown_beside_a_record_of_its_own_that_cannot_be_read(kind: str) -> None:
    world = Observed(config={"pipeline": {"schedule": HOURLY, "endpoints": []}})
    world.poll.start_scheduled()
    land(world, "a.csv")
    names = [name for name in world.documents.rows if name.startswith(f"{kind}/")]
    for name in names:
        world.damage(name)
    hand = Pipelines(world.intake._context, world.intake)
    shown = hand.status("sample")
    assert shown.pipeline.name == "sample"
    assert shown.next_due is not None
    assert list(shown.unreadable) == (names if kind != "versions" else [])
    assert hand.preview("sample", None).matching == 1


def test_endpoints_are_shown_beside_a_record_that_cannot_be_read() -> None:
    world = Observed()
    world.until(world.start(), Phase.PROMOTED)
    hand = Endpoints(world.intake._context, world.intake)
    (drift_check,) = [name for name in world.documents.rows if name.startswith("drift_checks/")]
    world.damage(drift_check)
    shown = hand.show(EndpointAddress("sample", "production"))
    assert drift_check in (shown.drift or "")
    assert "trained on" in shown.line
    (endpoint_state,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    world.damage(endpoint_state)
    (line,) = hand.lines()
    assert endpoint_state in line.line


def test_models_of_a_pipeline_in_error_do_not_hide_those_of_another() -> None:
    world = Observed()
    wrong = Problem("pipelines.yaml:3: pipelines.broken", "unknown key")
    sound = {world.pipeline.name: world.pipeline}
    world.file = Configuration(sound, (wrong,), {"broken": (wrong,)})
    world.restart()
    world.intake.activate()
    world.clock.move(MINUTE)
    for number in range(250):
        world.blobs.put(MODELS, f"promote/broken/{number}.ilearner", b"model")
    world.blobs.put(MODELS, "promote/sample/better.ilearner", b"model")
    for _ in range(3):
        Search(world.intake._context, world.intake).run_until(world.clock.now() + MINUTE)
    assert len(world.open_runs()) == 1
