"""Policies of activities of version 1: each key has a line, and its place in the pipelines file."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome, Line
from shared.importers.data_factory.drafts import Draft
from tests.unit.importers.version_1 import training, updating, walk_through

MAPPED, ABOUT, LEFT = (
    ImportOutcome.MAPPED,
    ImportOutcome.APPROXIMATED,
    ImportOutcome.NOT_CARRIED_OVER,
)


def trained(**policy: Any) -> tuple[Draft, dict[str, Line]]:
    factory = walk_through(training(policy=policy), updating())
    draft = factory.only()
    return draft, {
        key: factory.line("pipeline/walk", f"activities[0].policy.{key}") for key in policy
    }


@pytest.mark.parametrize(
    ("key", "value", "outcome", "text"),
    [
        ("concurrency", 1, MAPPED, "walk: when_busy: queue"),
        ("concurrency", "3", MAPPED, "walk: when_busy: parallel, max_parallel: 3"),
        ("concurrency", 40, ABOUT, "max_parallel: 10"),
        ("concurrency", "many", LEFT, "cannot read"),
        ("executionPriorityOrder", "oldestfirst", MAPPED, "walk: order: oldest_first"),
        ("executionPriorityOrder", "Random", LEFT, "cannot read"),
        ("retry", 0, MAPPED, "training.attempts: 1"),
        ("retry", 10, MAPPED, "training.attempts: 11"),
        ("retry", 25, ABOUT, "more than 11 are not possible"),
        ("retry", -1, LEFT, "cannot read"),
        ("timeout", "02:00:00", MAPPED, "walk: training.timeout: 2h"),
        ("timeout", "1.02:00:00", MAPPED, "walk: training.timeout: 1d2h"),
        ("timeout", "3:00:00:00", MAPPED, "walk: training.timeout: 3d"),
        ("timeout", "two hours", LEFT, "cannot read"),
        ("timeout", "03:00:00.0000000", MAPPED, "walk: training.timeout: 3h"),
        ("timeout", "00:00:00", ABOUT, "6d22h: the longest; the factory has no limit"),
        ("timeout", "7.00:00:00", ABOUT, "6d22h: the longest, where the factory has 7d"),
        ("timeout", "24:00:00", ABOUT, "where the factory has 24d"),
        ("delay", "00:00:00", MAPPED, "begins at its due time"),
        ("delay", "01:30:00", MAPPED, "walk: schedule.delay: 1h30m"),
        ("delay", "-01:30:00", LEFT, "cannot read"),
        ("timeout", "-01:30:00", LEFT, "cannot read"),
        ("longRetry", 1, MAPPED, "no effect"),
        ("longRetry", 3, MAPPED, "training.attempts: 3, training.pause: 0s"),
        ("style", "StartOfInterval", LEFT, "nothing for this key"),
    ],
)
def test_each_key(key: str, value: Any, outcome: ImportOutcome, text: str) -> None:
    _, lines = trained(**{key: value})
    assert (lines[key].kind, lines[key].outcome) == ("policy", outcome)
    assert text in lines[key].text


def test_rounds_of_attempts_keep_the_time_that_they_take() -> None:
    draft, lines = trained(retry=2, longRetry=2, longRetryInterval="01:00:00")
    assert (draft.job.attempts, draft.job.pause) == (6, "12m")
    assert [one.outcome for one in lines.values()] == [MAPPED, ABOUT, ABOUT]
    draft, _ = trained(longRetry=3, longRetryInterval="00:30:00")
    assert (draft.job.attempts, draft.job.pause) == (3, "30m")
    draft, lines = trained(retry=9, longRetry=2, longRetryInterval="00:10:00")
    assert (draft.job.attempts, draft.job.pause) == (11, "1m")
    assert lines["retry"].outcome is ABOUT


def test_the_values_of_a_policy_are_imported() -> None:
    draft, _ = trained(concurrency=4, executionPriorityOrder="NewestFirst", delay="00:20:00")
    timing = draft.timing
    assert (timing.when_busy, timing.max_parallel, timing.order) == ("parallel", 4, "newest_first")
    assert isinstance(timing.schedule, dict)
    assert timing.schedule["delay"] == "20m"
    assert (timing.catch_up, timing.catch_up_most) == ("all", 1000)


def test_a_policy_without_a_timeout_has_the_longest_one_and_it_is_said() -> None:
    factory = walk_through(training(policy=None), updating(policy={}))
    assert factory.only().job.timeout == "6d22h"
    line = factory.line("pipeline/walk", "activities[0]")
    assert (line.outcome, "6d22h" in line.text) == (ABOUT, True)


def test_the_policy_of_an_update_is_said_where_it_differs() -> None:
    policy = {
        "concurrency": 1,
        "executionPriorityOrder": "OldestFirst",
        "retry": 0,
        "timeout": "01:00:00",
        "delay": "00:10:00",
        "other": 1,
    }
    factory = walk_through(training(), updating(policy=policy))
    factory.only()
    found = {key: factory.line("pipeline/walk", f"activities[1].policy.{key}") for key in policy}
    assert {key: one.outcome for key, one in found.items()} == {
        "concurrency": MAPPED,
        "executionPriorityOrder": ABOUT,
        "retry": ABOUT,
        "timeout": ABOUT,
        "delay": ABOUT,
        "other": LEFT,
    }
    assert "endpoints.verify.within" in found["timeout"].text


@pytest.mark.parametrize(
    ("key", "value", "of_training", "outcome"),
    [
        ("concurrency", 3, {"concurrency": 3}, ABOUT),
        ("timeout", "00:00:00", {}, ABOUT),  # no limit, where Relearn has one
        ("delay", "00:00:00", {"delay": "01:00:00"}, MAPPED),
        ("executionPriorityOrder", "OldestFirst", {}, MAPPED),
        ("longRetry", 2, {}, ABOUT),
    ],
)
def test_a_key_of_an_update_beside_that_of_its_training(
    key: str, value: Any, of_training: dict[str, Any], outcome: ImportOutcome
) -> None:
    factory = walk_through(training(policy=of_training), updating(policy={key: value}))
    factory.only()
    assert factory.line("pipeline/walk", f"activities[1].policy.{key}").outcome is outcome


def test_the_schedule_of_an_update_is_said_where_it_differs() -> None:
    daily = {"frequency": "Day", "interval": 1}
    factory = walk_through(training(), updating(scheduler=daily))
    factory.all = [one for one in factory.all if one.name != "placeholderBlob"]
    factory.blob("placeholderBlob", "any", availability=daily)
    factory.only()
    for file, ending in (
        ("pipeline/walk", "activities[1].scheduler.frequency"),
        ("dataset/placeholderBlob", "availability.frequency"),
    ):
        line = factory.line(file, ending)
        assert (line.outcome, "follows its training" in line.text or "no effect" in line.text) == (
            ABOUT,
            True,
        )
