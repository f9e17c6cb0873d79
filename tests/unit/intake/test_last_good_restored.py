"""A pipeline with an error continues with the configuration that was stored."""

from typing import Any

import pytest

from shared.core.config.configuration import Configuration
from shared.errors import PipelineConfigError, TransientError
from tests.unit.intake.stored_configurations import HOUR, ODD, Kept
from tests.unit.samples import NOW


def test_a_pipeline_with_an_error_continues_with_what_was_stored(
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
    assert f"pipeline sample continues with its last good configuration, of {when}" in caplog.text
    (note,) = good.notes()
    assert str(note).startswith("pipelines.sample")
    assert f"continues with its last good configuration, of {when}" in str(note)
    good.require("sample")
    kept.world.calls.clear()
    good.load()
    assert kept.world.calls == []


def test_a_pipeline_without_an_earlier_configuration_is_reported_with_its_problems(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept()
    good = kept.file(broken="sample")
    good.load()
    assert "pipeline sample has an error and no earlier configuration" in caplog.text
    assert good.lacking
    with pytest.raises(PipelineConfigError) as raised:
        good.require("sample")
    assert str(raised.value) == (
        "pipeline sample has an error and no earlier configuration to continue with: "
        f"{ODD[0]}; {ODD[1]}"
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


def test_where_the_file_cannot_be_read_all_continue_and_at_most_twenty_are_named() -> None:
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
