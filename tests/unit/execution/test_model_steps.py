"""The models of a finished job, and copies of those at the service (design rule 10)."""

import pytest

from shared.core.config.studio_types import model_of
from shared.core.run.control_events import ModelCollected, ModelsCollected
from shared.errors import PermanentError
from shared.ports.storage import SignedBlob
from tests.unit.execution.finished_jobs import MODELS, OWN, Steps, finished, left, path_of, wanting
from tests.unit.scripted import SAS


def test_a_declared_model_is_looked_up_where_the_job_was_asked_to_write_it() -> None:
    one = wanting(None, outputs={"output1": "model.ilearner", "output2": "evaluation.csv"})
    steps, job = Steps(), finished()
    model = steps.written(one, "model.ilearner")
    assert steps.collect(one, job) == ModelCollected(model_of(model))
    assert not job.asked
    assert not steps.blobs.adopted


def test_a_model_left_at_the_service_is_copied_under_the_name_of_its_output() -> None:
    one, steps = wanting(None), Steps()
    job = finished(output2=left("experimentoutput/j1/out.ilearner"))
    event = steps.collect(one, job)
    assert steps.blobs.adopted == [f"{OWN}experimentoutput/j1/out.ilearner{SAS}"]
    assert isinstance(event, ModelCollected)
    assert event.model.name == f"{MODELS}/{path_of(one, 'output2.ilearner')}"
    assert job.asked == [one.job]


def test_a_model_that_was_copied_before_is_the_same_model() -> None:
    one, steps = wanting(None), Steps()
    job = finished(output1=left("c/x.ilearner"))
    assert steps.collect(one, job) == steps.collect(one, job)
    assert len(steps.blobs.copies) == 1


@pytest.mark.parametrize("base", [OWN, OWN.rstrip("/"), OWN.replace("https", "http")])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_location_is_put_together_with_and_without_its_slashes(base: str, slash: str) -> None:
    steps = Steps()
    steps.collect(wanting(None), finished(output1=left(f"{slash}c/x.ilearner", base)))
    assert steps.blobs.adopted == [f"{base.rstrip('/')}/c/x.ilearner{SAS}"]


@pytest.mark.parametrize(
    ("relative", "sent"),
    [
        ("c/a b.ilearner", "c/a%20b.ilearner"),
        ("c/a%20b.ilearner", "c/a%20b.ilearner"),
        ("c/100%25.ilearner", "c/100%25.ilearner"),
        ("c/100%.ilearner", "c/100%25.ilearner"),
        ("c/50% off.ilearner", "c/50%25%20off.ilearner"),
        ("c/a%2Fb.ilearner", "c/a%2Fb.ilearner"),
        ("c/a?b#c.ilearner", "c/a%3Fb%23c.ilearner"),
        ("c/\u00e4.ilearner", "c/%C3%A4.ilearner"),
        ("c/%C3%A4.ilearner", "c/%C3%A4.ilearner"),
        ("c/%e4.ilearner", "c/%e4.ilearner"),
    ],
)
def test_a_location_is_escaped_once_and_what_is_escaped_stays(relative: str, sent: str) -> None:
    steps = Steps()
    steps.collect(wanting(None), finished(output1=left(relative)))
    assert steps.blobs.adopted == [f"{OWN}{sent}{SAS}"]


def test_the_model_is_chosen_by_its_suffix_and_never_by_the_name_of_its_output() -> None:
    results = {
        "output1": left("c/model.csv"),
        "model": left("c/x.ilearner.csv"),
        "trained": left("c/x.ilearner.xml"),
        "output2": left("c/results.ILEARNER"),
    }
    steps = Steps()
    event = steps.collect(wanting(None), finished(**results))
    assert isinstance(event, ModelCollected)
    assert event.model.name.endswith("/output2.ilearner")
    assert steps.blobs.adopted == [f"{OWN}c/results.ILEARNER{SAS}"]


def test_an_evaluation_that_is_declared_is_no_model_and_what_was_left_is_found() -> None:
    one = wanting(None, outputs={"output1": "evaluation.csv"})
    steps = Steps()
    steps.written(one, "evaluation.csv")
    job = finished(output1=left(f"{MODELS}/evaluation.csv"), output2=left("c/x.ilearner"))
    event = steps.collect(one, job)
    assert isinstance(event, ModelCollected)
    assert event.model.name == f"{MODELS}/{path_of(one, 'output2.ilearner')}"


def test_of_several_models_one_must_be_named_and_all_are_listed() -> None:
    job = finished(b=left("c/b.ilearner"), a=left("c/a.ilearner"), e=left("c/e.csv"))
    steps = Steps()
    with pytest.raises(PermanentError) as caught:
        steps.collect(wanting(None), job)
    assert "several models, a, b: name one as `model` of endpoint e0" in str(caught.value)
    assert not steps.blobs.adopted
    event = steps.collect(wanting("b"), job)
    assert isinstance(event, ModelCollected)
    assert steps.blobs.adopted == [f"{OWN}c/b.ilearner{SAS}"]


@pytest.mark.parametrize(
    ("results", "listed"),
    [
        ({}, "it has none"),
        ({"x": left("c/x.csv")}, "it has none"),
        ({"x": left("c/x.ilearner"), "y": left("c/y.ilearner")}, "it has x, y"),
    ],
)
def test_a_named_model_that_the_job_did_not_make_is_reported_with_those_it_made(
    results: dict[str, SignedBlob], listed: str
) -> None:
    with pytest.raises(PermanentError) as caught:
        Steps().collect(wanting("Output1"), finished(**results))
    assert "no model output 'Output1'" in str(caught.value)
    assert listed in str(caught.value)


def test_each_endpoint_gets_the_model_it_names_and_each_model_is_copied_once() -> None:
    steps = Steps()
    job = finished(a=left("c/a.ilearner"), b=left("c/b.ilearner"))
    event = steps.collect(wanting("a", "b", "a"), job)
    assert isinstance(event, ModelsCollected)
    names = {name: model.name.rpartition("/")[2] for name, model in event.models.items()}
    assert names == {"e0": "a.ilearner", "e1": "b.ilearner", "e2": "a.ilearner"}
    assert sorted(steps.blobs.adopted) == [f"{OWN}c/a.ilearner{SAS}", f"{OWN}c/b.ilearner{SAS}"]


def test_a_declared_model_next_to_one_at_the_service_is_not_copied_over_itself() -> None:
    one = wanting("output1", "output2", outputs={"output1": "model.ilearner"})
    steps = Steps()
    model = steps.written(one, "model.ilearner")
    own = left(model.path, "https://account.blob.core.windows.net/")
    event = steps.collect(one, finished(output1=own, output2=left("c/x.ilearner")))
    assert isinstance(event, ModelsCollected)
    assert event.models["e0"] == model_of(model)
    assert steps.blobs.adopted == [f"{OWN}c/x.ilearner{SAS}"]
