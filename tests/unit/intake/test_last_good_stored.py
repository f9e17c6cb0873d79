"""What is kept of each configuration, what is told of it, and when it is stored again."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from shared.core.config.problems import Problem
from shared.core.names import digest
from shared.errors import ConflictError, PipelineConfigError, TransientError
from shared.intake.catalogue import ConfiguredPipelines
from shared.intake.last_good import LastGood
from shared.ledger.configurations import KeptConfiguration
from tests.unit.samples import NOW, pipeline
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ODD = (Problem("pipelines.sample", "unknown key"), Problem("pipelines.sample", "no setting"))


class Kept:
    """A ledger of configurations, and what a process with some file knows of them."""

    def __init__(self) -> None:
        self.world = Observed()
        self.context = self.world.context
        self.ledger = self.context.ledger
        self.sample = pipeline()

    def put(self, name: str = "sample", **known: Any) -> None:
        times = {"recorded_at": NOW - HOUR, "scheduled_since": NOW - 2 * HOUR, **known}
        kept = KeptConfiguration(pipeline=pipeline(name=name), **times)
        self.ledger.configurations.put(kept, {}, None)

    def file(
        self, *sound: Pipeline, broken: str = "", readable: bool = True, **more: Any
    ) -> LastGood:
        known = Configuration(
            {one.name: one for one in sound},
            broken=dict.fromkeys(broken.split(), ODD),
            readable=readable,
            **more,
        )
        return LastGood(self.context, known, NOW - 3 * HOUR)

    def stored(self, name: str = "sample") -> KeptConfiguration:
        stored = self.ledger.configurations.read(name)
        assert stored is not None
        return stored.record

    def hints(self, name: str = "sample") -> Any:
        return self.world.documents.rows[f"configurations/{name}"].metadata


def test_whoever_goes_through_the_served_pipelines_sees_one_state() -> None:
    served = ConfiguredPipelines({"sample": pipeline()})
    seen = []
    for name in served:
        seen.append(name)
        served.adopt(pipeline(name="other"))
    assert seen == ["sample"]
    assert (list(served), len(served)) == (["sample", "other"], 2)
    assert served["other"].name == "other"


def test_a_sound_pipeline_is_stored_with_what_tells_a_change() -> None:
    kept = Kept()
    good = kept.file(kept.sample)
    with pytest.raises(TransientError, match="the configuration of sample was not stored yet"):
        good.scheduled_since("sample")
    good.refresh()
    record = kept.stored()
    assert (record.pipeline, record.recorded_at) == (kept.sample, NOW)
    assert record.scheduled_since == NOW - 3 * HOUR == good.scheduled_since("sample")
    assert kept.hints() == {
        "digest": digest("configuration", kept.sample.model_dump_json()),
        "since": (NOW - 3 * HOUR).isoformat(),
    }


def test_a_process_that_starts_ahead_of_the_storage_counts_from_now() -> None:
    kept = Kept()
    known = Configuration({"sample": kept.sample})
    LastGood(kept.context, known, NOW + HOUR).refresh()
    assert kept.stored().scheduled_since == NOW


def test_a_change_keeps_since_when_the_schedule_is_there_unless_that_changed() -> None:
    kept = Kept()
    kept.file(kept.sample).refresh()
    kept.world.clock.move(HOUR)
    changed = pipeline(pause_after=3)
    kept.file(changed).refresh()
    record = kept.stored()
    assert (record.pipeline, record.recorded_at) == (changed, NOW + HOUR)
    assert record.scheduled_since == NOW - 3 * HOUR
    kept.world.clock.move(HOUR)
    good = LastGood(
        kept.context, Configuration({"sample": pipeline(schedule="0 0 * * * *")}), NOW + 2 * HOUR
    )
    good.refresh()
    assert kept.stored().scheduled_since == NOW + 2 * HOUR == good.scheduled_since("sample")


def test_what_is_stored_already_is_read_from_its_hints_alone() -> None:
    kept = Kept()
    kept.file(kept.sample).refresh()
    kept.world.calls.clear()
    good = kept.file(kept.sample)
    good.refresh()
    assert kept.world.calls == ["list configurations"]
    assert good.scheduled_since("sample") == NOW - 3 * HOUR
    good.refresh()
    kept.world.clock.move(10 * MINUTE - SECOND)
    good.refresh()
    assert len(kept.world.calls) == 1
    kept.world.clock.move(SECOND)
    good.refresh()
    assert len(kept.world.calls) == 2
    kept.world.clock.move(-11 * MINUTE)  # the clock was put right
    good.refresh()
    assert len(kept.world.calls) == 3


@pytest.mark.parametrize("since", ["", "yesterday", "2026-03-01T12:00:00"])
def test_hints_that_tell_no_time_are_held_against_the_record(since: str) -> None:
    kept = Kept()
    kept.file(kept.sample).refresh()
    stored = kept.ledger.configurations.read("sample")
    assert stored is not None
    hints = {**kept.hints(), "since": since}
    kept.ledger.configurations.put(stored.record, hints, stored.etag)
    good = kept.file(kept.sample)
    good.refresh()
    assert good.scheduled_since("sample") == NOW - 3 * HOUR


def test_a_configuration_that_others_are_faster_to_store_is_tried_five_times(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    tries: list[str] = []

    def late(known: KeptConfiguration, *_: object) -> None:
        tries.append(known.pipeline.name)
        raise ConflictError("configurations")

    monkeypatch.setattr(kept.ledger.configurations, "put", late)
    good = kept.file(kept.sample)
    good.refresh()
    assert tries == ["sample"] * 5
    assert (
        "the configuration of sample cannot be stored now: configurations/sample keeps changing"
        in caplog.text
    )
    good.refresh()
    assert len(tries) == 10  # it is not done: the next call tries again


def test_what_the_file_has_no_more_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relearn")
    kept = Kept()
    for name in ("old", "broken", "sample"):
        kept.put(name)
    kept.file(kept.sample, broken="broken").refresh()
    names = [name for name in kept.world.documents.rows if name.startswith("configurations/")]
    assert sorted(names) == ["configurations/broken", "configurations/sample"]
    assert "pipeline old is not in the file any more" in caplog.text


def test_nothing_is_forgotten_for_a_file_that_cannot_be_read_and_failures_are_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    kept.put("old")
    kept.file(readable=False).refresh()
    assert "configurations/old" in kept.world.documents.rows

    def fails(*_: object) -> None:
        raise TransientError("busy")

    good = kept.file(kept.sample)
    with monkeypatch.context() as patched:
        patched.setattr(kept.ledger.configurations, "delete", fails)
        good.refresh()
    assert "the configuration of old is not forgotten yet: busy" in caplog.text
    good.refresh()
    assert "configurations/old" not in kept.world.documents.rows


def test_a_record_that_is_damaged_leaves_its_pipeline_without_a_known_schedule(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept()
    kept.world.damage("configurations/sample")
    good = kept.file(kept.sample)
    good.refresh()
    assert good.scheduled_since("sample") is None
    assert "pipeline sample: ledger record configurations/sample" in caplog.text


# Pipelines with an error


def test_a_pipeline_with_an_error_goes_on_by_what_was_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept()
    kept.put()
    good = kept.file(broken="sample")
    assert (good.incomplete, good.lacking) == (True, True)
    assert good.notes()[0].what == "its last good configuration was not read yet"
    good.load()
    assert (good.incomplete, good.lacking) == (False, False)
    assert good.served["sample"] == kept.sample
    assert good.scheduled_since("sample") == NOW - 2 * HOUR
    when = (NOW - HOUR).isoformat(timespec="seconds")
    assert f"pipeline sample goes on by its last good configuration, of {when}" in caplog.text
    (note,) = good.notes()
    assert str(note).startswith("pipelines.sample")
    assert f"goes on by its last good configuration, of {when}" in str(note)
    good.require("sample")
    kept.world.calls.clear()
    good.load()
    assert kept.world.calls == []


def test_a_pipeline_without_an_earlier_configuration_is_told_with_its_problems(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept()
    good = kept.file(broken="sample")
    good.load()
    assert "pipeline sample has an error and no earlier configuration" in caplog.text
    assert good.lacking
    with pytest.raises(PipelineConfigError) as told:
        good.require("sample")
    assert str(told.value) == (
        f"pipeline sample has an error and no earlier configuration to go on by: {ODD[0]}; {ODD[1]}"
    )
    good.require("nobody")  # the file simply has none of this name
    (note,) = good.notes()
    assert "has no earlier configuration, and opens no runs until corrected" in str(note)


@pytest.mark.parametrize("how", ["damaged", "another's"])
def test_a_configuration_that_is_not_its_own_or_not_understood_is_left_alone(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    body = b"{not json"
    if how != "damaged":
        kept.put("other")
        body = kept.world.documents.rows["configurations/other"].body
    kept.world.documents.create("configurations/sample", body)
    good = kept.file(broken="sample")
    good.load()
    assert "sample" not in good.served
    assert not good.incomplete
    (note,) = good.notes()
    assert "its last good configuration is not understood: no runs" in str(note)
    said = "is of another pipeline" if how != "damaged" else "is not understood"
    assert said in caplog.text


def test_one_that_cannot_be_read_now_is_behind_the_others_the_next_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    for name in ("a", "b"):
        kept.put(name)
    read = kept.ledger.configurations.read
    failing = {"a"}

    def some(name: str) -> Any:
        if name in failing:
            raise TransientError("busy")
        return read(name)

    monkeypatch.setattr(kept.ledger.configurations, "read", some)
    good = kept.file(broken="a b")
    good.load()
    assert "the last good configurations cannot be read now: busy" in caplog.text
    assert list(good.served) == []
    good.load()
    assert list(good.served) == ["b"]
    assert good.incomplete
    with pytest.raises(TransientError, match="the last good configuration of a cannot be read now"):
        good.require("a")
    assert "its last good configuration was not read yet" in str(good.notes()[0])
    failing.clear()
    good.require("a")
    assert list(good.served) == ["b", "a"]


def test_where_the_file_cannot_be_read_all_go_on_and_at_most_twenty_are_named() -> None:
    kept = Kept()
    good = kept.file(readable=False)
    assert (good.incomplete, good.lacking) == (True, True)
    assert [note.where for note in good.notes()] == ["pipelines"]
    assert "were not all read yet" in str(good.notes()[0])
    good.load()
    assert "there is no earlier configuration: no runs are opened" in str(good.notes()[0])
    with pytest.raises(PipelineConfigError):
        good.require("sample")
    for number in range(22):
        kept.put(f"p{number:02}")
    good = kept.file(readable=False)
    good.load()
    assert len(good.served) == 22
    (note,) = good.notes()
    assert note.where == "pipelines"
    assert str(note).count(", ") == 19
    assert "p19 and 2 more" in str(note)
    few = kept.file(readable=False)
    few._adopted = dict(list(good._adopted.items())[:20])
    few._unlisted = False
    assert "more" not in str(few.notes()[0])


def test_what_a_process_with_another_file_took_for_removed_is_stored_again() -> None:
    kept = Kept()
    kept.put()
    good = kept.file(broken="sample")
    good.load()
    del kept.world.documents.rows["configurations/sample"]
    good.keep()
    assert kept.stored().recorded_at == NOW - HOUR


def test_a_name_that_no_pipeline_can_have_is_asked_for_nowhere() -> None:
    kept = Kept()
    good = kept.file(broken="../x sample")
    kept.world.calls.clear()
    good.load()
    assert kept.world.calls == ["read configurations"]
    assert len(good.notes()) == 2


@pytest.mark.parametrize("damaged", [False, True])
def test_what_was_read_once_is_not_read_again_when_the_file_changes(*, damaged: bool) -> None:
    kept = Kept()
    if damaged:
        kept.world.documents.create("configurations/sample", b"{")
    else:
        kept.put()
    good = kept.file(broken="sample")
    good.load()
    assert not good.incomplete
    assert list(good.served) == ([] if damaged else ["sample"])
    good.take(Configuration({}, broken={"sample": ODD}), NOW)
    assert not good.incomplete
    assert list(good.served) == ([] if damaged else ["sample"])
