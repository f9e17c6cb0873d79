"""The active period of a pipeline of version 1: where it counts for some of its jobs, or not."""

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.version_1 import WEEKLY, training, updating, walk_through

MAPPED, ABOUT, LEFT = (
    ImportOutcome.MAPPED,
    ImportOutcome.APPROXIMATED,
    ImportOutcome.NOT_CARRIED_OVER,
)


def test_a_pipeline_that_runs_once_stays_paused() -> None:
    once = {"start": None, "end": None, "pipelineMode": "OneTime"}
    factory = walk_through(isPaused=False, **once)
    factory.only()
    assert "leave schedule.paused as it is" in factory.line("pipeline/walk", "pipelineMode").to_do
    of_pipeline = factory.line("pipeline/walk", "")
    assert (of_pipeline.outcome, of_pipeline.to_do) == (MAPPED, "")
    paused = factory.line("pipeline/walk", "isPaused")
    assert (paused.outcome, paused.to_do) == (ABOUT, "")
    assert "see the line of pipelineMode" in paused.text


def test_a_start_that_is_null_is_said_as_the_file_has_it() -> None:
    factory = walk_through(start=None)
    factory.only()
    assert factory.line("pipeline/walk", "start").text.startswith("`null` is not a time")


def test_a_pipeline_that_is_not_paused_has_no_key_for_it() -> None:
    factory = walk_through(isPaused=False)
    factory.only()
    paused = factory.line("pipeline/walk", "isPaused")
    assert paused.outcome is MAPPED
    assert paused.text == "walk: no schedule.paused: its default is false"


def test_a_period_that_counts_for_one_of_two_jobs() -> None:
    typed = {"webServiceInput": "trainingData"}
    policy = {"delay": "01:00:00"}
    second = training("score", outputs=[], typeProperties=typed, policy=policy)
    factory = walk_through(training(), second, updating())
    assert [bool(one.timing.schedule) for one in factory.drafts()] == [True, False]
    for key in ("start", "end"):
        line = factory.line("pipeline/walk", f"properties.{key}")
        assert line.outcome is ABOUT
        assert line.text.startswith(f"walk-retraining: schedule.{key}: 2016-02-1")
        assert line.text.endswith("; walk-score has no schedule")
    delay = factory.line("pipeline/walk", "activities[1].policy.delay")
    assert (delay.outcome, delay.text) == (LEFT, "walk-score has no schedule")


def test_two_jobs_of_one_name_have_a_place_each() -> None:
    factory = walk_through(training(), training())
    assert [one.name for one in factory.drafts()] == ["walk-retraining", "walk-retraining-2"]
    lines = [factory.line("pipeline/walk", f"activities[{at}]").text for at in (0, 1)]
    assert lines[0].startswith("walk-retraining: ")
    assert lines[1].startswith("walk-retraining-2: ")


@pytest.mark.parametrize(
    ("style", "start", "first"),
    [
        ("StartOfInterval", "2027-01-06", "2027-01-04T00:00:00Z"),
        ("StartOfInterval", "2027-01-04", ""),
        ("EndOfInterval", "2027-01-06", ""),
    ],
)
def test_a_first_run_that_is_due_before_the_period_is_said(
    style: str, start: str, first: str
) -> None:
    factory = walk_through(start=start, end="9999-09-09")
    of_model = next(one for one in factory.all if one.name == "trainedModelBlob")
    of_model.properties.value["availability"] = {**WEEKLY, "style": style}
    factory.only()
    line = factory.line("pipeline/walk", "start")
    assert (line.outcome, f"is due {first}" in line.text) == (
        (ABOUT, True) if first else (MAPPED, False)
    )


@pytest.mark.parametrize(("start", "outcome"), [("2000-01-01", ABOUT), ("2016-01-01", MAPPED)])
def test_windows_that_a_backfill_does_not_reach_are_said(
    start: str, outcome: ImportOutcome
) -> None:
    factory = walk_through(start=start, end="9999-09-09", backfill=True)
    factory.only()
    line = factory.line("pipeline/walk", "start")
    assert (line.outcome, "the newest 1000 get runs" in line.text) == (outcome, outcome is ABOUT)
