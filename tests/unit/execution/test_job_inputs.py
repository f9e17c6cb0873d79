"""The inputs of a job: found, written as a list if needed, and compared before it starts."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.job_events import JobFailed
from shared.core.run.record import Phase, Run
from shared.errors import PermanentError, TransientError
from shared.execution.inputs import JobInputs, expected_inputs, inputs_of, list_of
from tests.fakes.world import DATA, MODELS
from tests.unit.samples import NOW, blob, pipeline
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND = timedelta(seconds=1)
LIST_AT = f"{MODELS}/runs/sample/sample-1/manifest.csv"
SOURCES = {"data": "{data}", "list": "{data.manifest}", "beside": "{name}/columns.csv"}


class Inputs:
    """A run whose job takes data, a list of all of it, and another blob."""

    def __init__(self, inputs: dict[str, str] | None = None, **changes: Any) -> None:
        self.world = Observed()
        self.inputs = JobInputs(self.world.context)
        config = pipeline(training__inputs=SOURCES if inputs is None else inputs)
        manifest = (blob("a.csv"), blob("b.csv", modified=NOW + SECOND, content_md5=None))
        known = {"config": config, "manifest": manifest, "tokens": {"name": "x"}}
        wants = "{data.manifest}" in (SOURCES if inputs is None else inputs).values()
        listed = LIST_AT if wants else ""
        self.run: Run = sample(Phase.RECEIVED, **{**known, "listed_at": listed, **changes})


def test_a_job_gets_the_newest_blob_a_list_of_all_and_the_other_blob() -> None:
    there = Inputs()
    beside = there.world.blobs.put(DATA, "x/columns.csv", b"a,b")
    found = there.inputs.found(there.run)
    assert set(found) == {"list", "beside"}
    assert found["beside"] == beside
    assert found["list"].path == LIST_AT
    assert there.world.blobs.read(MODELS, LIST_AT.partition("/")[2], 999) == list_of(there.run)
    run = there.run.model_copy(update={"inputs": found})
    assert inputs_of(run) == {**found, "data": there.run.manifest[1]}


def test_no_list_is_written_where_no_job_wants_one() -> None:
    there = Inputs({"data": "{data}"})
    assert there.inputs.found(there.run) == {}
    assert inputs_of(there.run) == {"data": there.run.manifest[1]}
    assert not there.world.blobs.store.contents.get("manifest.csv")
    assert inputs_of(there.run.model_copy(update={"manifest": ()})) == {}


def test_the_list_has_a_line_for_each_blob_with_its_version() -> None:
    lines = list_of(Inputs().run).decode().split("\n")
    assert lines == [
        "Container,Name,ETag,Size,LastModified,ContentMD5",
        f"training-data,a.csv,0x1,100,{NOW.isoformat()},bWQ1",
        f"training-data,b.csv,0x1,100,{(NOW + SECOND).isoformat()},",
        "",
    ]


def test_a_blob_beside_the_data_that_is_not_there_yet_is_waited_for_briefly() -> None:
    there = Inputs()
    with pytest.raises(TransientError, match=r"no blob 'x/columns\.csv' to train on yet") as raised:
        there.inputs.found(there.run)
    assert raised.value.patience == timedelta(minutes=10)


@pytest.mark.parametrize("name", ["..", ".", "", "a//b"])
def test_a_token_that_leads_out_of_the_container_is_refused(name: str) -> None:
    there = Inputs(tokens={"name": name})
    with pytest.raises(PermanentError, match="is not a path inside the training data container"):
        there.inputs.found(there.run)


def test_an_input_that_was_replaced_under_the_job_fails_it() -> None:
    there = Inputs()
    there.world.blobs.put(DATA, "x/columns.csv", b"a,b")
    run = there.run.model_copy(update={"inputs": there.inputs.found(there.run)})
    assert there.inputs.changed(run) is None
    there.world.blobs.put(MODELS, LIST_AT.partition("/")[2], b"another")
    assert there.inputs.changed(run) is None  # the list is our own
    there.world.blobs.update_metadata(DATA, "x/columns.csv")
    assert there.inputs.changed(run) is None
    there.world.blobs.put(DATA, "x/columns.csv", b"a,b,c")
    assert there.inputs.changed(run) == JobFailed(
        f"input beside ({DATA}/x/columns.csv) was replaced while the job ran"
    )
    there.world.blobs.remove(DATA, "x/columns.csv")
    assert there.inputs.changed(run) is None


def test_a_run_depends_on_its_newest_blob_or_on_all_that_are_listed() -> None:
    there = Inputs({"data": "{data}"})
    assert [was.name for was, _ in there.inputs.found_up(there.run)] == ["b.csv"]
    bare = there.run.model_copy(update={"manifest": ()})
    assert list(there.inputs.found_up(bare)) == []
    listed = Inputs()
    now = listed.world.blobs.put(DATA, "a.csv", b"a")
    checked = list(listed.inputs.found_up(listed.run))
    assert [(was.name, found) for was, found in checked] == [("a.csv", now), ("b.csv", None)]


def test_a_preview_says_where_each_input_will_be() -> None:
    there = Inputs()
    expected = expected_inputs(there.run, DATA)
    assert {name: one.path for name, one in expected.items()} == {
        "data": f"{DATA}/b.csv",
        "list": LIST_AT,
        "beside": f"{DATA}/x/columns.csv",
    }
    assert expected["beside"].size == 0
    assert (expected["beside"].created, expected["beside"].modified) == (NOW, NOW)
    assert expected["data"] == there.run.manifest[1]
