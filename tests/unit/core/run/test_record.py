"""A run's record: its data, its model and its state."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from shared.core.blobs import CLOCK_SKEW, is_folded
from shared.core.run.record import ENDS, Origin, Phase, Run, RunHistoryEntry
from shared.core.serving.references import ServingState
from tests.unit.samples import MODEL, NOW, blob, model_ref, pipeline, run, step_failure

SECOND = timedelta(seconds=1)
OLD, NEW = blob("a.csv", etag="0x1"), blob("a.csv", etag="0x2", modified=NOW + SECOND)
OTHER, FIXED, LIST = blob("b.csv"), blob("fixed.csv"), blob("lists/x.csv", container="models")


def trained(*inputs: str, **changes: object) -> Run:
    """Return a run on two blobs, one of them twice, that gives its job these inputs."""
    given = {f"input{number}": text for number, text in enumerate(inputs)}
    config = pipeline(training__inputs=given)
    return run(Phase.TRAINED, config=config, manifest=(OLD, OTHER, NEW), **changes)


def test_a_job_was_trained_on_what_it_was_given_by_name() -> None:
    assert trained("{data}").trained_on == (NEW,)
    assert trained("{data.manifest}").trained_on == (NEW, OTHER)
    assert trained("{data}", "{data.manifest}").trained_on == (NEW, OTHER)
    fixed = trained("{data}", "fixed.csv", inputs={"input0": NEW, "input1": FIXED})
    assert fixed.trained_on == (NEW, FIXED)
    listed = trained("{data.manifest}", inputs={"input0": LIST}, listed_at=LIST.path)
    assert listed.trained_on == (NEW, OTHER)  # the list itself is none of it
    only = trained("fixed.csv", inputs={"input0": FIXED})
    assert only.trained_on == (FIXED,)


def test_a_job_that_is_given_nothing_by_name_reads_all_that_arrived() -> None:
    assert trained("other.csv").trained_on == (NEW, OTHER)
    assert run(Phase.TRAINED, manifest=()).trained_on == ()


def test_the_newest_version_of_each_blob_counts_the_later_of_two_of_one_time() -> None:
    again = blob("a.csv", etag="0x3", modified=NOW + SECOND)
    shape = run(Phase.TRAINED, manifest=(OTHER, NEW, OLD, again))
    assert shape.current == (again, OTHER)
    assert shape.newest in (NEW, again)
    assert run(Phase.TRAINED, manifest=(OLD, OTHER)).newest == OTHER  # the last by its name
    assert run(Phase.TRAINED, manifest=()).newest is None


def test_a_run_without_data_is_as_new_as_the_run_that_trained_or_as_itself() -> None:
    assert run(Phase.TRAINED, manifest=(OLD, NEW)).data_time == NOW + SECOND
    bare = run(Phase.TRAINED, manifest=())
    assert bare.data_time == bare.opened_at
    given = run(Phase.TRAINED, manifest=(), as_of=NOW - SECOND)
    assert given.data_time == NOW - SECOND


def test_a_run_is_of_the_key_that_its_tokens_say() -> None:
    keyed = pipeline(data={"blob": "{customer}/{year}/{name}.csv"}, key=["year", "customer"])
    shape = run(Phase.TRAINED, config=keyed, tokens={"customer": "acme", "year": "2026"})
    assert shape.key == ("2026", "acme")
    assert run(Phase.TRAINED, config=keyed).key == ("", "")
    assert run(Phase.TRAINED).key == ()


def test_an_endpoint_gets_the_model_that_is_meant_for_it_or_the_one_that_there_is() -> None:
    (endpoint,) = run(Phase.TRAINED).config.endpoints
    other = model_ref("other.ilearner")
    shape = run(Phase.PROMOTING, models={"production": other})
    assert shape.model_for(endpoint) == other
    assert run(Phase.PROMOTING).model_for(endpoint) == MODEL
    assert run(Phase.PROMOTING).target_model == ServingState(model=MODEL)


def test_an_end_is_over_and_only_three_phases_are_at_work_on_an_endpoint() -> None:
    ends = "promoted unchanged finished rejected failed cancelled timed_out superseded rolled_back"
    assert {str(phase) for phase in Phase if phase.ended} == set(ends.split())
    assert {str(phase) for phase in ENDS} == set(ends.split())
    at_work = {str(phase) for phase in Phase if phase.updates}
    assert at_work == {"promoting", "verifying", "rolling_back"}
    assert {str(origin) for origin in Origin if origin.repeats} == {"rollback", "drift"}


def test_a_move_is_written_into_the_history_once_and_ends_the_step_failure() -> None:
    shape = run(Phase.TRAINING, step_failure=step_failure(), advice="wait")
    moved = shape.moved_to(Phase.TRAINED, NOW, "over", reason="good")
    assert moved.history == (RunHistoryEntry(at=NOW, phase=Phase.TRAINED, note="over"),)
    assert (moved.step_failure, moved.advice, moved.reason) == (None, "wait", "good")
    assert moved.moved_to(Phase.TRAINED, NOW).history == moved.history
    noted = moved.moved_to(Phase.TRAINED, NOW, "still")
    assert noted.history == (
        *moved.history,
        RunHistoryEntry(at=NOW, phase=Phase.TRAINED, note="still"),
    )
    assert moved.moved_to(Phase.FINISHED, NOW).advice is None


def test_the_same_bytes_are_known_by_their_etag_or_by_a_metadata_only_update_that_left_them() -> (
    None
):
    one = blob()
    assert one.same_bytes_as(blob(modified=NOW + SECOND))
    assert one.same_bytes_as(blob(etag="0x2"))  # only its metadata was written
    for other in (
        blob(etag="0x2", size=101),
        blob(etag="0x2", created=NOW + SECOND, modified=NOW + SECOND),
        blob(etag="0x2", content_md5="b3RoZXI="),
        blob(etag="0x2", content_md5=None),
    ):
        assert not one.same_bytes_as(other)
    bare = blob(content_md5=None)
    assert not bare.same_bytes_as(blob(etag="0x2", content_md5=None))
    assert bare.same_bytes_as(blob(content_md5=None))
    assert one.path == "training-data/new.csv"


def test_a_name_with_a_part_that_clients_fold_is_known() -> None:
    for name in ("a/./b", "a/../b", "./a", "a/..", "."):
        assert is_folded(name)
    for name in ("a/b", "a/.b/c..", "...", "a//b", ""):
        assert not is_folded(name)


def test_a_record_is_read_without_the_version_that_wrote_it() -> None:
    shape = run(Phase.TRAINED)
    stored = shape.model_dump(mode="json")
    assert Run.model_validate({**stored, "app_version": "1.2.3"}) == shape
    assert Run.model_validate(stored) == shape
    with pytest.raises(ValidationError):
        Run.model_validate(5)


def test_two_clocks_may_differ_by_five_seconds() -> None:
    assert timedelta(seconds=5) == CLOCK_SKEW


def test_a_blob_is_older_than_a_moment_only_by_more_than_clocks_may_differ() -> None:
    written = blob(modified=NOW)
    assert not written.is_older_than(NOW + CLOCK_SKEW)
    assert written.is_older_than(NOW + CLOCK_SKEW + SECOND)
