"""What a run's record says of the data that its job was given."""

from datetime import timedelta

from shared.core.blobs import CLOCK_SKEW
from shared.core.run import Phase, Run
from tests.unit.samples import NOW, blob, pipeline, run

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


def test_a_blob_is_older_than_a_moment_only_by_more_than_clocks_may_differ() -> None:
    written = blob(modified=NOW)
    assert not written.is_older_than(NOW + CLOCK_SKEW)
    assert written.is_older_than(NOW + CLOCK_SKEW + SECOND)
