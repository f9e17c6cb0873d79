"""How a pipeline stands, what a person may change of it, and what its next run would be given."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.errors import ConflictError
from shared.intake.eligibility import version_of
from shared.ledger.run_queues import NEW
from shared.ledger.schedules import ScheduleRecord
from shared.ledger.versions import VersionEntry
from shared.operations.pipelines import NoSuchPipelineError, NothingToPreviewError, Pipelines
from shared.operations.preconditions import PreconditionFailedError
from tests.fakes.world import DATA, MODELS
from tests.unit.samples import NOW
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LISTED = {"inputs": {"input1": "{data.manifest}"}}


class Hand:
    """A person's hand on the pipelines of a world."""

    def __init__(self, training: dict[str, Any] | None = None, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": pipeline, "training": training or {}})
        self.world.intake.activate()
        self.ledger = self.world.intake._context.ledger
        self.hand = Pipelines(self.world.intake._context, self.world.intake)

    def put(self, name: str, content: bytes = b"a,b\n1,2\n") -> Any:
        return self.world.blobs.put(DATA, name, content)

    def run_queue(self, key: str, **changes: Any) -> None:
        run_queue = RunQueue(pipeline="sample", key=(key,), **changes)
        self.ledger.run_queues.put(run_queue_id("sample", (key,)), run_queue, None)

    def states(self) -> dict[str, str]:
        return {one.blob.name: one.state for one in self.hand.preview("sample", None).matches}


def test_a_pipeline_that_is_not_in_the_file_is_told_with_those_that_are() -> None:
    hand = Hand()
    with pytest.raises(
        NoSuchPipelineError, match="'x' is not in the pipelines file; there is sample"
    ):
        hand.hand.status("x")
    with pytest.raises(NoSuchPipelineError):
        hand.hand.pause("x", "ada", "")
    with pytest.raises(NoSuchPipelineError):
        hand.hand.resume("x")
    assert hand.hand.names() == ["sample"]


def test_a_pipeline_is_shown_as_it_stands() -> None:
    hand = Hand(schedule="0 0 * * * *", when_busy="queue")
    for name in ("a.csv", "b.csv"):
        hand.world.intake.arrived(hand.put(name))
    hand.world.clock.move(HOUR + MINUTE)
    status = hand.hand.status("sample")
    assert status.pipeline == hand.world.pipeline
    assert (status.active_since, status.at) == (NOW, NOW + HOUR + MINUTE)
    assert (status.next_due, status.last_due) == (NOW + 2 * HOUR, None)
    assert (status.waiting_data, status.unreadable) == (2, ())
    assert (status.pause, status.run_queues) == (None, ())
    hand.ledger.schedules.put("sample", ScheduleRecord(last_due=NOW + HOUR), None)
    assert hand.hand.status("sample").last_due == NOW + HOUR
    without = Hand()
    without.world.calls.clear()
    shown = without.hand.status("sample", keys=0)
    assert (shown.next_due, shown.last_due) == (None, None)
    assert "read schedules" not in without.world.calls
    assert "list run_queues" not in without.world.calls


def test_a_due_time_from_before_the_pipeline_was_known_is_none_of_its_own() -> None:
    hand = Hand(schedule="0 0 * * * *")
    hand.ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    assert hand.hand.status("sample").last_due is None


def test_customers_are_shown_a_page_at_a_time_with_the_pause_in_force(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hand = Hand()
    paused = Pause(by="relearn", at=NOW)
    for key in "abc":
        hand.run_queue(key, paused=paused)
    hand.ledger.pauses.put("sample", Pauses(resumed_at=NOW - HOUR), NEW)
    first = hand.hand.status("sample", keys=2)
    assert len(first.run_queues) == 2
    assert all(run_queue.paused == paused for run_queue in first.run_queues)
    assert first.keys.cursor is not None
    rest = hand.hand.status("sample", keys=2, cursor=first.keys.cursor)
    assert (len(rest.run_queues), rest.keys.cursor) == (1, None)
    hand.hand.resume("sample")
    assert [run_queue.paused for run_queue in hand.hand.status("sample").run_queues] == [None] * 3
    damaged = run_queue_id("sample", ("a",))
    hand.world.damage(damaged)
    hand.world.damage("pipelines/sample")
    shown = hand.hand.status("sample")
    assert len(shown.run_queues) == 2
    assert shown.unreadable == ("pipelines/sample", damaged)
    assert shown.keys.unreadable == (damaged,)
    assert shown.active_since is None
    assert f"{damaged} is not understood" in caplog.text
    assert "pipelines/sample is not understood" in caplog.text


def test_a_slot_that_a_budget_stops_says_why() -> None:
    hand = Hand(budget={"most_per_day": 1})
    hand.run_queue("a", begun=(QueueEntry(run_id="sample-1", at=NOW),))
    status = hand.hand.status("sample")
    assert "used up" in str(status.over_budget(status.run_queues[0]))
    assert status.over_budget(RunQueue(pipeline="sample")) is None


# Pause and resume


def test_a_pause_is_kept_once_with_who_wants_it_and_why() -> None:
    hand = Hand()
    version = hand.hand.status("sample").version
    hand.hand.pause("sample", "ada", "maintenance")
    paused = hand.hand.status("sample")
    assert paused.pause == Pause(by="ada", at=NOW, reason="maintenance")
    assert paused.version != version
    hand.world.clock.move(HOUR)
    writes = len(hand.world.faults.sites)
    hand.hand.pause("sample", "bob", "again")
    assert hand.hand.status("sample").pause == paused.pause
    assert len(hand.world.faults.sites) == writes
    hand.hand.resume("sample", by="bob", reason="done")
    assert hand.hand.status("sample").pause is None
    resumed = Pause(by="bob", at=NOW + HOUR, reason="done")
    assert hand.ledger.pauses.read("sample").record == Pauses(
        resumed_at=NOW + HOUR, resumed=resumed
    )


def test_a_pause_by_failures_is_shown_where_no_person_paused() -> None:
    hand = Hand()
    by_failures = Pause(by="relearn", at=NOW)
    hand.ledger.pauses.pause_by_failures("sample", by_failures)
    assert hand.hand.status("sample").pause == by_failures
    with pytest.raises(PreconditionFailedError, match="pipeline sample is paused by relearn"):
        hand.hand.resume("sample", ("old",))
    hand.hand.pause("sample", "ada", "")
    known = hand.hand.status("sample").pause
    assert known is not None
    assert known.by == "ada"
    with pytest.raises(PreconditionFailedError, match="pipeline sample is paused by ada"):
        hand.hand.pause("sample", "bob", "", ("old",))


@pytest.mark.parametrize(
    ("versions", "error"), [(None, ConflictError), (True, PreconditionFailedError)]
)
@pytest.mark.parametrize("act", ["pause", "resume"])
def test_whoever_is_slower_is_told_how_the_pipeline_stands_now(
    act: str, versions: Any, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand()
    held_to = (hand.hand.status("sample").version,) if versions else None

    def late(*_: object) -> None:
        raise ConflictError("pauses")

    monkeypatch.setattr(hand.ledger.pauses, "put", late)
    more = ("ada", "") if act == "pause" else ()
    with pytest.raises(error, match="pipeline sample is not paused"):
        getattr(hand.hand, act)("sample", *more, held_to)


# Preview


def test_what_became_of_each_blob_is_told(caplog: pytest.LogCaptureFixture) -> None:
    hand = Hand(when_busy="queue", data={"blob": "{name}.csv", "min_size": 3})
    blobs = {name: hand.put(f"{name}.csv") for name in ("run", "old", "note", "odd", "waits")}
    hand.put("tiny.csv", b"a")
    hand.put("other.txt")
    for name, entry in {
        "run": {"run_id": "sample-1"},
        "old": {"run_id": None, "note": "older", "older_than_pipeline": True},
        "note": {"run_id": None},
    }.items():
        version = version_of(hand.world.pipeline, blobs[name])
        known = VersionEntry(pipeline="sample", blob=blobs[name], **entry)  # type: ignore[arg-type]
        hand.ledger.versions.add(version, known)
    hand.world.damage(f"versions/{version_of(hand.world.pipeline, blobs['odd'])}")
    hand.world.intake.arrived(blobs["waits"])
    hand.put("new.csv")
    assert hand.states() == {
        "run.csv": "run sample-1",
        "old.csv": "older",
        "note.csv": "no run",
        "odd.csv": "a record of it cannot be read",
        "waits.csv": "waiting",
        "tiny.csv": "too small",
        "new.csv": "new",
    }
    assert "is not understood" in caplog.text


def test_a_blob_from_before_the_pipeline_is_told_as_such() -> None:
    hand = Hand()
    hand.put("a.csv")
    hand.world.clock.move(HOUR)
    other = hand.world.sibling(data={"blob": "{name}.csv"})
    intake, _ = hand.world.another(other)
    intake.activate()
    hand.put("b.csv")
    preview = Pipelines(intake._context, intake).preview("other", None)
    assert [(one.blob.name, one.state) for one in preview.matches] == [
        ("b.csv", "new"),
        ("a.csv", "older than the pipeline"),
    ]
    assert [one.tokens for one in preview.matches] == [{"name": "b"}, {"name": "a"}]


def test_the_newest_that_is_large_enough_or_the_one_that_is_named_is_previewed() -> None:
    hand = Hand(data={"blob": "{name}.csv", "min_size": 3})
    hand.put("a.csv")
    hand.world.clock.move(SECOND)
    for name in ("c.csv", "b.csv"):
        hand.put(name)
    hand.put("z.csv", b"a")
    preview = hand.hand.preview("sample", None)
    assert [one.blob.name for one in preview.matches] == ["z.csv", "c.csv", "b.csv", "a.csv"]
    assert preview.matching == 4
    assert "c.csv" in str(preview.request)
    assert "a.csv" in str(hand.hand.preview("sample", "a.csv").request)
    assert "z.csv" in str(hand.hand.preview("sample", "z.csv").request)
    with pytest.raises(NothingToPreviewError, match=r"no blob 'x.csv' that matches \{name\}.csv"):
        hand.hand.preview("sample", "x.csv")


def test_at_most_fifty_blobs_are_shown_and_all_are_counted() -> None:
    hand = Hand()
    for number in range(51):
        hand.put(f"{number:02}.csv")
    preview = hand.hand.preview("sample", None)
    assert (len(preview.matches), preview.matching) == (50, 51)


def test_without_a_blob_there_is_nothing_to_request_and_that_is_noted() -> None:
    hand = Hand()
    preview = hand.hand.preview("sample", None)
    assert (preview.matches, preview.matching, preview.request) == ((), 0, None)
    assert preview.notes == ("no blob matches {name}.csv yet",)


def test_a_pipeline_without_data_has_a_request_all_the_same() -> None:
    hand = Hand()
    training = hand.world.pipeline.training.model_copy(update={"inputs": {}})
    hand.world.pipeline = hand.world.pipeline.model_copy(
        update={"data": None, "training": training}
    )
    hand.world.restart()
    hand.hand = Pipelines(hand.world.intake._context, hand.world.intake)
    preview = hand.hand.preview("sample", None)
    assert (preview.notes, preview.matching) == ((), 0)
    assert preview.request is not None
    with pytest.raises(NothingToPreviewError, match="nothing: the pipeline takes no data"):
        hand.hand.preview("sample", "a.csv")


def test_the_request_of_a_preview_names_where_all_will_be_and_sends_nothing() -> None:
    hand = Hand(training=LISTED)
    hand.put("a.csv")
    sent, writes = len(hand.world.http.sent), len(hand.world.faults.sites)
    request = str(hand.hand.preview("sample", None).request)
    assert f"{MODELS}/runs/sample/sample-" in request
    assert "/manifest.csv" in request
    assert "/1/model.ilearner" in request
    assert "/1/evaluation.csv" in request
    assert (len(hand.world.http.sent), len(hand.world.faults.sites)) == (sent, writes)


def test_data_that_can_name_no_endpoint_is_noted() -> None:
    hand = Hand(data={"blob": "{customer}-{name}.csv"}, key="customer", endpoints=[])
    one = hand.world.sibling(name="x").endpoints[0]
    update = one.update.rpartition("/")[0] + "/{customer}"
    endpoints = (one.model_copy(update={"update": update}),)
    hand.world.pipeline = hand.world.pipeline.model_copy(update={"endpoints": endpoints})
    hand.world.restart()
    hand.hand = Pipelines(hand.world.intake._context, hand.world.intake)
    hand.put("A_B-1.csv")
    preview = hand.hand.preview("sample", None)
    assert preview.notes[0].startswith("the run would be rejected: ")
    assert preview.request is not None


SETTLES = {"blob": "{name}.csv", "settle": "2m"}


@pytest.mark.parametrize(
    ("pipeline", "training", "notes"),
    [
        ({"when_busy": "queue"}, {}, []),
        ({"when_busy": "newest", "data": SETTLES}, {}, ["settle with", "when_busy: newest"]),
        ({"when_busy": "newest", "data": SETTLES}, LISTED, []),
        ({"when_busy": "newest"}, {}, ["when_busy: newest"]),
        ({"data": {"blob": "{name}.csv", "opens_runs": False}}, {}, ["opens_runs: false"]),
    ],
)
def test_what_a_configuration_means_for_data_is_noted(
    pipeline: dict[str, Any], training: dict[str, Any], notes: list[str]
) -> None:
    hand = Hand(training, **pipeline)
    hand.put("a.csv")
    found = hand.hand.preview("sample", None).notes
    assert len(found) == len(notes)
    assert all(one.startswith(start) for one, start in zip(found, notes, strict=True))
