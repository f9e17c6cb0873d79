"""Notes of the preview about a pipeline."""

from shared.core.run.data_notes import notes_on_pipeline
from tests.unit.samples import pipeline


def test_a_pipeline_that_no_data_opens_runs_of_has_no_notes_on_data() -> None:
    alone = pipeline().model_copy(update={"data": None})
    assert notes_on_pipeline(alone) == []


def test_a_pipeline_whose_data_opens_no_runs_says_so() -> None:
    closed = {"blob": "{name}.csv", "opens_runs": False}
    (note,) = (one for one in notes_on_pipeline(pipeline(data=closed)) if "opens_runs" in one)
    assert note == "opens_runs: false: an arrival by itself starts nothing"


def test_newest_is_explained_where_a_run_trains_on_one_of_its_blobs_alone() -> None:
    def reported(source: str) -> bool:
        known = pipeline(when_busy="newest")
        training = known.training.model_copy(update={"inputs": {"input1": source}})
        notes = notes_on_pipeline(known.model_copy(update={"training": training}))
        return any(note.startswith("when_busy: newest") for note in notes)

    assert reported("{data}")
    assert not reported("{data.manifest}")
