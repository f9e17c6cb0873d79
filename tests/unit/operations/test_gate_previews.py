"""A preview says how often the rules of a gate will be unsure, by the runs before."""

from typing import Any

import pytest

from shared.core.run.record import Phase
from tests.fakes.world import DATA
from tests.unit.core.evaluation.compared import comparison, judged
from tests.unit.execution.compared_worlds import ONE_FILE, TWO_FILES, bad, good, rows, world_with
from tests.unit.execution.gated_worlds import ABOVE, NO_DROP, ended_run, gated
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed


def notes(world: Observed, beginning: str = "AUC") -> list[str]:
    found = world.app.pipelines.preview("sample", None).notes
    return [note for note in found if note.startswith(beginning)]


def test_the_last_comparison_of_the_pipeline_says_how_many_will_be_unsure() -> None:
    world = world_with(ONE_FILE)
    (first,) = notes(world)
    assert "with 500 rows" in first
    ended_run(world, 1, rows(candidate=good))
    (second,) = notes(world)
    assert "if AUC is 0.944" in second
    compared = ended_run(world, 2, rows(300, candidate=bad, live=good))
    assert compared.phase is Phase.REJECTED
    reads, writes = len(world.documents.rows), len(world.faults.sites)
    (third,) = notes(world)
    assert third.startswith("AUC, max_drop 0.01: with 300 rows about 9 of 10 equal models")
    assert third.endswith(f"so wide was the interval of run {compared.run_id}")
    assert (len(world.documents.rows), len(world.faults.sites)) == (reads, writes)


def test_the_comparison_of_another_pipeline_says_nothing() -> None:
    world = world_with(ONE_FILE)
    runs = world.context.ledger.runs
    ended = sample(Phase.REJECTED, verdict=judged(comparison()))
    runs.create(ended.evolve(run_id="other-1", pipeline="other"))
    assert "with 500 rows" in notes(world)[0]
    runs.create(ended.evolve(run_id="sample-2"))
    assert "run sample-2" in notes(world)[0]


def holdout_of(rows: int) -> bytes:
    lines = [f"r{at},{int(at % 10 == 0)}" for at in range(rows)]
    return "\n".join(("id,label", *lines)).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (holdout_of(3000), "with 3,000 rows about 5 of 10 equal models"),
        (holdout_of(3000), "if AUC is 0.85 and 10% of the rows are positive"),
        (b"id,truth\n1,2\n", "the holdout training-data/holdout.csv cannot be read: there is no"),
        (b"\n" * (8 * 1024 * 1024 + 1), "with 500 rows"),
        (None, "there is no holdout training-data/holdout.csv yet"),
    ],
)
def test_the_rows_of_a_holdout_are_counted_before_the_first_run(
    content: bytes | None, words: str
) -> None:
    world = world_with(TWO_FILES)
    if content is not None:
        world.blobs.put(DATA, "holdout.csv", content)
    found = [note for note in notes(world, "") if words in note]
    assert len(found) == 1


def test_a_holdout_that_would_be_trained_on_is_noted() -> None:
    world = world_with(TWO_FILES)
    world.blobs.put(DATA, "holdout.csv", holdout_of(100))
    world.upload("new.csv", holdout_of(100))
    assert [note for note in notes(world, "the holdout") if "as training-data/new.csv" in note]


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [
        (b"AUC,rows,positives\n0.9,569,228\n", "below 0.03 is noise, more than max_drop"),
        (b"AUC\n0.9\n", "a small difference is noise"),
    ],
)
def test_of_recorded_numbers_it_says_what_is_noise(evaluation: bytes, words: str) -> None:
    world = gated(NO_DROP, first_model="allow")
    assert ended_run(world, 1, evaluation).phase is Phase.PROMOTED
    (note,) = notes(world)
    assert "compares recorded numbers; different rows: " in note
    assert words in note


def test_a_gate_without_comparisons_costs_no_reads() -> None:
    world = gated(ABOVE)
    ended_run(world, 1)
    runs = f"runs/{world.runs()[0].run_id}"
    asked: list[Any] = []
    plain = world.documents.read
    world.documents.read = lambda name: (asked.append(name), plain(name))[1]  # type: ignore[method-assign,func-returns-value]
    assert notes(world) == []
    assert not [name for name in asked if runs in name]


def test_a_damaged_endpoint_state_hides_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    world = gated(NO_DROP, first_model="allow")
    ended_run(world, 1)
    (name,) = (name for name in world.documents.rows if name.startswith("endpoints/"))
    world.damage(name)
    (note,) = notes(world)
    assert "a small difference is noise" in note
    assert "is not understood" in caplog.text
