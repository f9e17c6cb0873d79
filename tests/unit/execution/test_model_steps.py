"""Which models a finished job left, and how those at the service are fetched (design rule 10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

import pytest

from shared.core.blobs import BlobVersion
from shared.core.config.studio_models import blob_of, model_of
from shared.core.names import output_path
from shared.core.run.control_events import Event, ModelCollected, ModelsCollected, NothingToPromote
from shared.core.run.record import Phase, Run
from shared.core.serving.references import ModelRef
from shared.errors import PermanentError, RelearnError, TransientError
from shared.execution.context import Context, Providers
from shared.execution.models import LATE, ModelSteps
from shared.ledger.ledger import Ledger
from shared.ports.serving import Plan
from shared.ports.storage import SignedBlob
from shared.ports.training import Evaluation, JobRequest, JobState, JobStatus
from shared.ports.training import Job as Finished
from shared.providers.studio.models import StudioModels
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments
from tests.fakes.faults import Faults
from tests.unit.samples import MODEL, pipeline, run, tree
from tests.unit.scripted import SAS

OWN = "https://studioown.blob.core.windows.net/"
MODELS = "models"


@dataclass
class AskedBlobs(FakeBlobs):
    """Blobs that keep what they were asked to copy, and copy as storage does."""

    adopted: list[str] = field(default_factory=list)
    copies: set[str] = field(default_factory=set)
    readable: bool = True
    failure: RelearnError | None = None

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        self.adopted.append(source)
        if self.failure is not None:
            raise self.failure
        if not self.readable:
            return None
        if (there := self.head(container, name)) is None:
            self.copies.add(name)
            return self.put(container, name, b"model")
        return there if name in self.copies else None  # what is no copy is not taken for one


@dataclass
class Job:
    """A training service whose job stands as the test says."""

    state_: JobState
    results: Mapping[str, SignedBlob] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    blobs: FakeBlobs | None = None

    def prepare(self, request: JobRequest) -> str:
        raise NotImplementedError

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        raise NotImplementedError

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        raise NotImplementedError

    def state(self, handle: str) -> JobState:
        self.asked.append(handle)
        return self.state_

    def cancel(self, handle: str) -> None:
        raise NotImplementedError

    def models(self, job: Finished, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        return self._left.of(job, wanted)

    def model_again(self, model: ModelRef) -> ModelRef:
        return self._left.again(model)

    def evaluation(self, job: Finished, output: str | None) -> Evaluation:
        return self._left.evaluation(job, output)

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        return self._left.evaluation_beside(model)

    @property
    def _left(self) -> StudioModels:
        assert self.blobs is not None
        return StudioModels(self.blobs, MODELS, lambda handle: (self.state(handle), self.results))


def left(relative: str, base: str = OWN, sas: str = SAS) -> SignedBlob:
    return SignedBlob(base, relative, sas)


def finished(**results: SignedBlob) -> Job:
    return Job(JobState(JobStatus.FINISHED), results)


def wanting(*models: str | None, outputs: Mapping[str, str] | None = None) -> Run:
    """Return a run with one endpoint for each model that is wanted."""
    (one,) = tree()["endpoints"]
    endpoints = [
        {**one, "name": f"e{at}", "update": f"{one['update']}{at}", "model": model}
        for at, model in enumerate(models)
    ]
    config = pipeline(endpoints=endpoints, training__outputs=dict(outputs or {}))
    return run(Phase.TRAINED, config=config)


class _NoStaging:
    """Providers whose endpoints hold one model."""

    plan = Plan()

    def serving(self, endpoint: object) -> "_NoStaging":
        del endpoint
        return self


@dataclass
class Steps:
    """The steps over blobs in memory."""

    blobs: AskedBlobs = field(default_factory=lambda: AskedBlobs(FakeClock()))

    def collect(self, one: Run, job: Job) -> Event:
        ids = count(1)
        clock = self.blobs.clock
        context = Context(
            ledger=Ledger(MemoryDocuments(clock, Faults())),
            data=self.blobs,
            models=self.blobs,
            data_container="training-data",
            models_container=MODELS,
            providers=cast(Providers, _NoStaging()),
            clock=clock,
            new_id=lambda: str(next(ids)),
        )
        job.blobs = self.blobs
        return ModelSteps(context).collect(one, job)

    def written(self, one: Run, file: str, content: bytes = b"model") -> BlobVersion:
        return self.blobs.put(MODELS, place(one, file), content)


def place(one: Run, file: str) -> str:
    return output_path(one.pipeline, one.run_id, one.attempt, file)


def test_a_declared_model_is_looked_up_where_the_job_was_told_to_write_it() -> None:
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
    assert event.model.name == f"{MODELS}/{place(one, 'output2.ilearner')}"
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
    assert event.model.name == f"{MODELS}/{place(one, 'output2.ilearner')}"


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
def test_a_named_model_that_the_job_did_not_make_is_told_with_those_it_made(
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


def test_a_declared_model_beside_one_that_was_left_is_not_copied_over_itself() -> None:
    one = wanting("output1", "output2", outputs={"output1": "model.ilearner"})
    steps = Steps()
    model = steps.written(one, "model.ilearner")
    own = left(model.path, "https://account.blob.core.windows.net/")
    event = steps.collect(one, finished(output1=own, output2=left("c/x.ilearner")))
    assert isinstance(event, ModelsCollected)
    assert event.models["e0"] == model_of(model)
    assert steps.blobs.adopted == [f"{OWN}c/x.ilearner{SAS}"]


@pytest.mark.parametrize("status", [one for one in JobStatus if one is not JobStatus.FINISHED])
def test_a_job_that_is_not_shown_as_finished_any_more_is_waited_for_only_briefly(
    status: JobStatus,
) -> None:
    with pytest.raises(TransientError, match="job j1 was finished and is now") as caught:
        Steps().collect(wanting(None), Job(JobState(status, "no such job")))
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
    assert event.model.name == f"{MODELS}/{place(one, 'output1.ilearner')}"


def test_a_model_put_by_hand_is_taken_as_it_is_now_and_no_job_is_asked() -> None:
    steps, job = Steps(), finished()
    model = steps.blobs.put(MODELS, "promote/sample/x.ilearner", b"by hand")
    stale = model_of(model.model_copy(update={"etag": "0xold"}))
    one = wanting(None).model_copy(update={"model": stale, "job": None})
    assert steps.collect(one, job) == ModelCollected(model_of(model))
    assert not job.asked
    gone = wanting(None).model_copy(update={"model": MODEL, "job": None})
    with pytest.raises(TransientError, match="there is no model at"):
        steps.collect(gone, job)


def test_a_run_without_a_job_is_told_and_nobody_is_asked() -> None:
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


def test_a_copy_from_before_the_job_is_made_anew() -> None:
    clock = FakeClock()
    blobs = FakeBlobs(clock)
    blobs.store.contents[f"{OWN}c/x.ilearner"] = b"new"
    one = wanting(None).model_copy(update={"job_at": clock.now() + timedelta(minutes=1)})
    steps = Steps(cast("AskedBlobs", blobs))
    blobs.put(MODELS, place(one, "output1.ilearner"), b"of an earlier job")
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


def test_no_signature_reaches_a_fact_or_a_message() -> None:
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
