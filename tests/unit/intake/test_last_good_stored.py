"""When the configuration of a pipeline is stored, and which part of it."""

import pytest

from shared.core.config.configuration import Configuration
from shared.core.names import digest
from shared.errors import ConflictError, TransientError
from shared.intake.catalogue import ConfiguredPipelines
from shared.intake.last_good import LastGood
from shared.ledger.configurations import KeptConfiguration
from tests.unit.intake.stored_configurations import HOUR, MINUTE, SECOND, Kept
from tests.unit.samples import NOW, pipeline


def test_a_loop_over_the_served_pipelines_sees_one_state() -> None:
    served = ConfiguredPipelines({"sample": pipeline()})
    seen = []
    for name in served:
        seen.append(name)
        served.adopt(pipeline(name="other"))
    assert seen == ["sample"]
    assert (list(served), len(served)) == (["sample", "other"], 2)
    assert served["other"].name == "other"


def test_a_sound_pipeline_is_stored_with_what_shows_a_change() -> None:
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
def test_hints_that_report_no_time_are_held_against_the_record(since: str) -> None:
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


def test_what_the_file_has_no_more_is_removed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relearn")
    kept = Kept()
    for name in ("old", "broken", "sample"):
        kept.put(name)
    kept.file(kept.sample, broken="broken").refresh()
    names = [name for name in kept.world.documents.rows if name.startswith("configurations/")]
    assert sorted(names) == ["configurations/broken", "configurations/sample"]
    assert "pipeline old is not in the file any more" in caplog.text


def test_nothing_is_removed_for_a_file_that_cannot_be_read_and_failures_are_tried_again(
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
    assert "the configuration of old is not deleted yet: busy" in caplog.text
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
