"""A model that is missing, incomplete or of another job: the run waits, copies again or refuses."""

from datetime import timedelta
from typing import Any, cast

import pytest

from shared.core.config.studio_types import blob_of, model_of
from shared.core.run.control_events import ModelCollected, NothingToPromote
from shared.errors import PermanentError, RelearnError, TransientError
from shared.execution.models import LATE
from shared.ports.training import JobState, JobStatus
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.execution.finished_jobs import (
    MODELS,
    OWN,
    AskedBlobs,
    FinishedJob,
    Steps,
    finished,
    left,
    path_of,
    wanting,
)
from tests.unit.samples import MODEL


@pytest.mark.parametrize("status", [one for one in JobStatus if one is not JobStatus.FINISHED])
def test_a_job_that_is_not_shown_as_finished_any_more_is_waited_for_only_briefly(
    status: JobStatus,
) -> None:
    with pytest.raises(TransientError, match="job j1 was finished and is now") as caught:
        Steps().collect(wanting(None), FinishedJob(JobState(status, "no such job")))
    assert caught.value.patience == LATE <= timedelta(minutes=10)


def test_a_model_that_is_not_there_yet_is_waited_for_only_briefly() -> None:
    declared = wanting(None, outputs={"output1": "model.ilearner"})
    with pytest.raises(TransientError, match="there is no model at models/runs/") as caught:
        Steps().collect(declared, finished())
    assert caught.value.patience == LATE
    steps = Steps(AskedBlobs(FakeClock(), readable=False))
    with pytest.raises(TransientError, match="the service's own storage") as caught:
        steps.collect(wanting(None), finished(output1=left("c/x.ilearner")))
    assert caught.value.patience == LATE


def test_a_copy_that_is_under_way_is_waited_for() -> None:
    pending = TransientError("the copy to models/x is under way")
    with pytest.raises(TransientError) as caught:
        Steps(AskedBlobs(FakeClock(), failure=pending)).collect(
            wanting(None), finished(output1=left("c/x.ilearner"))
        )
    assert caught.value is pending


def test_an_empty_model_is_refused() -> None:
    one = wanting(None, outputs={"output1": "model.ilearner"})
    steps = Steps()
    steps.written(one, "model.ilearner", b"")
    with pytest.raises(PermanentError, match=r"the model at models/.* is empty"):
        steps.collect(one, finished())


def test_a_job_that_leaves_no_model_has_nothing_to_promote() -> None:
    event = Steps().collect(wanting(None), finished(output1=left("c/evaluation.csv")))
    assert event == NothingToPromote("the job makes no model")


def test_without_endpoints_the_model_is_kept_and_not_promoted() -> None:
    one = wanting()
    event = Steps().collect(one, finished(output1=left("c/x.ilearner")))
    assert isinstance(event, NothingToPromote)
    assert event.model is not None
    assert event.model.name == f"{MODELS}/{path_of(one, 'output1.ilearner')}"


def test_an_operators_model_is_taken_as_it_is_now_and_no_job_is_asked() -> None:
    steps, job = Steps(), finished()
    model = steps.blobs.put(MODELS, "promote/sample/x.ilearner", b"by hand")
    stale = model_of(model.model_copy(update={"etag": "0xold"}))
    one = wanting(None).model_copy(update={"model": stale, "job": None})
    assert steps.collect(one, job) == ModelCollected(model_of(model))
    assert not job.asked
    gone = wanting(None).model_copy(update={"model": MODEL, "job": None})
    with pytest.raises(TransientError, match="there is no model at"):
        steps.collect(gone, job)


def test_a_run_without_a_job_is_reported_and_no_service_is_asked() -> None:
    job = finished()
    with pytest.raises(PermanentError, match=r"sample-1 is without a job"):
        Steps().collect(wanting(None).model_copy(update={"job": None}), job)
    assert not job.asked


def test_an_attempt_never_takes_the_model_of_another() -> None:
    outputs = {"output1": "model.ilearner"}
    steps = Steps()
    first = wanting(None, outputs=outputs)
    steps.written(first, "model.ilearner")
    second = first.model_copy(update={"attempt": 2})
    with pytest.raises(TransientError, match=r"/2/model\.ilearner yet"):
        steps.collect(second, finished())


def test_a_file_from_before_the_job_is_not_its_model_and_is_named() -> None:
    steps = Steps()
    made = steps.blobs.clock.now() + timedelta(minutes=1)
    one = wanting(None, outputs={"output1": "model.ilearner"})
    one = one.model_copy(update={"job_at": made})
    steps.written(one, "model.ilearner", b"of an earlier job")
    with pytest.raises(TransientError, match="no model of this job at models/runs/") as caught:
        steps.collect(one, finished())
    assert "job j1 was made later, at 2026-03-01 12:01:00 UTC" in str(caught.value)
    assert caught.value.patience == LATE
    steps.blobs.clock.move(timedelta(seconds=56))  # clocks may differ by a few seconds
    model = steps.written(one, "model.ilearner")
    assert steps.collect(one, finished()) == ModelCollected(model_of(model))


def test_a_copy_from_before_the_job_is_made_again() -> None:
    clock = FakeClock()
    blobs = FakeBlobs(clock)
    blobs.store.contents[f"{OWN}c/x.ilearner"] = b"new"
    one = wanting(None).model_copy(update={"job_at": clock.now() + timedelta(minutes=1)})
    steps = Steps(cast("AskedBlobs", blobs))
    blobs.put(MODELS, path_of(one, "output1.ilearner"), b"of an earlier job")
    clock.move(timedelta(minutes=2))
    stamps = "st=2026-03-01T11:00:00Z&se=2026-03-02T12:00:00Z"
    job = finished(output1=left("c/x.ilearner", sas=f"?{stamps}&sp=r&sig=x"))
    event = steps.collect(one, job)
    assert isinstance(event, ModelCollected)
    assert blobs.read(MODELS, blob_of(event.model).name, 100) == b"new"
    clock.move(timedelta(minutes=2))
    assert steps.collect(one, job) == event


def test_a_result_without_a_signature_is_not_copied_and_it_is_said() -> None:
    steps = Steps(AskedBlobs(FakeClock(), readable=False))
    with pytest.raises(TransientError, match="sent no signature"):
        steps.collect(wanting(None), finished(output1=left("c/x.ilearner", sas="")))


def test_no_signature_reaches_an_event_or_a_message() -> None:
    job = finished(output1=left("c/x.ilearner"))
    event: Any = Steps().collect(wanting(None), job)
    said = [repr(event), repr(job.state_)]
    for steps, wanted in (
        (Steps(AskedBlobs(FakeClock(), readable=False)), None),
        (Steps(), "another"),
    ):
        with pytest.raises(RelearnError) as caught:
            steps.collect(wanting(wanted), job)
        said.append(str(caught.value))
    assert "c2lnbmF0dXJl" not in " ".join(said)
