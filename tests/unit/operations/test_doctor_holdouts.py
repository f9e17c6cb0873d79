"""Doctor reads a holdout that the app would score, and shows nothing of its rows."""

import pytest

from shared.operations import doctor_endpoints
from shared.operations.doctor_endpoints import holdout_checks
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.world import DATA
from tests.unit.execution.compared_worlds import TWO_FILES
from tests.unit.execution.compared_worlds import world_with as by_jobs
from tests.unit.execution.scored_worlds import HOLDOUT, ROWS, world_with
from tests.unit.operations.test_doctor import finding


def found(world: AzureMlWorld) -> tuple[str, str, str]:
    (check,) = holdout_checks(world.context, world.app.catalogue)
    assert (check.part, check.name) == ("endpoints", f"sample: holdout {HOLDOUT}")
    outcome, text, advice = check.run().outcome.value, check.run().text, check.run().advice
    return outcome, text, advice


def test_a_sound_holdout_has_rows_and_columns_in_the_report() -> None:
    outcome, text, _ = finding(world_with(), "endpoints", f"sample: holdout {HOLDOUT}")
    assert (outcome, text) == ("ok", "450 rows; 2 columns of each are sent to the models")


def test_a_holdout_that_is_not_there_is_wrong() -> None:
    world = world_with()
    world.blobs.remove(DATA, ROWS)
    outcome, text, advice = found(world)
    assert (outcome, text) == ("wrong", "there is no such blob")
    assert "Storage Blob Data Reader" in advice


def test_a_holdout_without_a_label_is_wrong() -> None:
    world = world_with()
    world.blobs.put(DATA, ROWS, b"id,a\nJane,2\n")
    outcome, text, _ = found(world)
    assert (outcome, text) == ("wrong", "there is no column label; there are id, a")


@pytest.mark.parametrize(
    ("most", "outcome", "says"), [(10, "ok", "were not read"), (5, "wrong", "at most 64 MB")]
)
def test_a_large_holdout_is_not_read(
    most: int, outcome: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_endpoints, "_MOST_READ", 4)
    monkeypatch.setattr(doctor_endpoints, "MOST_BYTES", most)
    world = world_with()
    world.blobs.put(DATA, ROWS, b"a" * 9)
    assert (found(world)[0], says in found(world)[1]) == (outcome, True)


def test_a_pipeline_without_one_has_no_such_check() -> None:
    world = AzureMlWorld()
    assert list(holdout_checks(world.context, world.app.catalogue)) == []


def test_a_holdout_that_jobs_score_is_looked_for_and_not_read() -> None:
    world = by_jobs(TWO_FILES)
    world.blobs.put(DATA, "holdout.csv", b"no table")
    (check,) = holdout_checks(world.context, world.app.catalogue)
    assert check.run().text.endswith("; jobs score it")
    world.blobs.remove(DATA, "holdout.csv")
    assert check.run().outcome.value == "wrong"
    assert "Storage Blob Data Reader" in check.run().advice
