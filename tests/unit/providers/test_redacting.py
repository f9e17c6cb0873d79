"""The answers and errors of a provider hold no secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from shared.core.redaction import Redactor
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficPoint, TrafficQuery
from shared.errors import (
    InvalidRequestError,
    OutcomeUnknownError,
    PermanentError,
    TransientError,
)
from shared.ports.serving import Keep, ModelAnswer, Plan
from shared.ports.training import Evaluation, FinishedJob, JobRequest, JobState, JobStatus
from shared.providers.redacting import RedactingEndpoint, RedactingTraining
from shared.providers.studio.errors import Refusal, StudioRefusedError
from tests.unit.batches import request
from tests.unit.samples import MODEL

SECRET = "s3cr3t+of/the=settings"
SHIFT = Shift(candidate=Candidate(name="m-1", state=ServingState(model=MODEL)), share=100)
JOB = FinishedJob("j", None, request())


def look_of(detail: str) -> EndpointCheck:
    return EndpointCheck(UpdateProgress.FAILED, None, detail=detail)


@dataclass
class Answering:
    """Both ports, answering what the test says or raising it."""

    told: Any = None

    def _answered(self, *_: object) -> Any:
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def prepare(self, request: JobRequest) -> str:
        return str(self._answered(request))

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        reported: Mapping[str, Any] = self._answered(request)
        return reported

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        self._answered(handle, request)

    def state(self, handle: str) -> JobState:
        reported: JobState = self._answered(handle)
        return reported

    def cancel(self, handle: str) -> None:
        self._answered(handle)

    def ensure(self) -> None:
        self._answered()

    def models(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        reported: Mapping[str, ModelRef] = self._answered(job, wanted)
        return reported

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        return model

    def named_model(self, name: str) -> ModelRef:
        raise InvalidRequestError(f"{name}: not here")

    def model_again(self, model: ModelRef) -> ModelRef:
        reported: ModelRef = self._answered(model)
        return reported

    def evaluation(self, job: FinishedJob, output: str | None) -> Evaluation:
        reported: Evaluation = self._answered(job, output)
        return reported

    def predictions(self, job: FinishedJob, output: str) -> Evaluation:
        reported: Evaluation = self._answered(job, output)
        return reported

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        reported: Evaluation = self._answered(model)
        return reported

    plan = Plan()

    def current(self, keep: Keep | None = None) -> ServingState | None:
        reported: ServingState | None = self._answered(keep)
        return reported

    def restorable(self, state: ServingState) -> bool:
        return bool(self._answered(state))

    def log_lines(self, candidate: Candidate) -> str:
        return str(self._answered(candidate))

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        reported: tuple[TrafficPoint, ...] = self._answered(query)
        return reported

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        del again
        return Candidate(name=run_id, state=ServingState(model=model))

    def stage(self, candidate: Candidate) -> None:
        self._answered(candidate)

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        reported: EndpointCheck = self._answered(candidate)
        return reported

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        reported: ProbeAnswers = self._answered(rows, candidate)
        return reported

    def answer(self, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        reported: ModelAnswer = self._answered(rows, name)
        return reported

    def shift(self, shift: Shift) -> str | None:
        reported: str | None = self._answered(shift)
        return reported

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        reported: EndpointCheck = self._answered(operation, shift)
        return reported

    def discard(self, candidate: Candidate) -> bool:
        return bool(self._answered(candidate))

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        reported: str | None = self._answered(state, known)
        return reported


@dataclass
class Guarded:
    answer: Any
    known: Redactor = field(default_factory=lambda: Redactor(SECRET))

    @property
    def jobs(self) -> RedactingTraining:
        return RedactingTraining(Answering(self.answer), self.known)

    @property
    def endpoint(self) -> RedactingEndpoint:
        return RedactingEndpoint(Answering(self.answer), self.known)

    def calls(self) -> list[Callable[[], object]]:
        jobs, endpoint, asked = self.jobs, self.endpoint, request()
        return [
            lambda: jobs.prepare(asked),
            lambda: jobs.preview(asked),
            lambda: jobs.ensure_started("j", asked),
            lambda: jobs.state("j"),
            lambda: jobs.cancel("j"),
            endpoint.ensure,
            endpoint.current,
            lambda: endpoint.restorable(ServingState()),
            lambda: endpoint.stage(SHIFT.candidate),
            lambda: endpoint.candidate_state(SHIFT.candidate),
            lambda: endpoint.score({}),
            lambda: endpoint.answer({}, "m"),
            lambda: endpoint.shift(SHIFT),
            lambda: endpoint.restore(ServingState()),
            endpoint.update_state,
            lambda: endpoint.discard(SHIFT.candidate),
            lambda: jobs.models(JOB, {}),
            lambda: jobs.model_again(MODEL),
            lambda: jobs.evaluation(JOB, None),
            lambda: jobs.evaluation_beside(MODEL),
        ]


def test_what_a_service_says_of_a_job_holds_no_secret() -> None:
    state = Guarded(JobState(JobStatus.FAILED, f"no {SECRET}", SECRET)).jobs.state("j")
    assert state == JobState(JobStatus.FAILED, "no ***", "***")


def test_what_a_service_says_of_an_endpoint_holds_no_secret() -> None:
    probe = ProbeAnswers(
        seen=ProbeOutcome.GOOD,
        columns=(f"Scored {SECRET}",),
        rows=((SECRET, "0.5"),),
        detail=SECRET,
    )
    check = Guarded(
        EndpointCheck(UpdateProgress.FAILED, probe, f"c/{SECRET}", SECRET)
    ).endpoint.update_state()
    assert SECRET not in repr(check)
    assert check.probe is not None
    assert check.probe.rows == (("***", "0.5"),)
    assert SECRET not in repr(Guarded(probe).endpoint.score({}))
    whole = Guarded(ModelAnswer(probe.seen, [{SECRET: SECRET}], SECRET, SECRET))
    found = whole.endpoint.answer({}, "m")
    assert SECRET not in f"{found} {found.answer}"
    assert SECRET not in repr(Guarded(look_of(SECRET)).endpoint.candidate_state(SHIFT.candidate))
    assert Guarded({"url": [SECRET]}).jobs.preview(request()) == {"url": ["***"]}


@pytest.mark.parametrize(
    "spelled", [SECRET, "s3cr3t-of_the=settings", "s3cr3t%2Bof%2Fthe%3Dsettings"]
)
def test_a_job_id_or_operation_that_holds_a_secret_is_none(spelled: str) -> None:
    dirty = Guarded(f"x-{spelled}")
    calls: tuple[Callable[[], object], ...] = (
        lambda: dirty.jobs.prepare(request()),
        lambda: dirty.endpoint.shift(SHIFT),
        lambda: dirty.endpoint.restore(ServingState()),
    )
    for call in calls:
        with pytest.raises(OutcomeUnknownError) as caught:
            call()
        assert "cr3t" not in str(caught.value)
    clean = Guarded("0123456789abcdef0123456789abcdef")
    assert clean.jobs.prepare(request()) == clean.endpoint.shift(SHIFT)


def test_errors_keep_their_type_and_what_they_carry_but_for_secrets() -> None:
    refusal = Refusal(400, SECRET, (SECRET, "CannotStartJob"), f"no {SECRET}")
    wait = timedelta(seconds=7)
    for error in (
        StudioRefusedError(f"no {SECRET}", refusal),
        TransientError(f"no {SECRET}", retry_after=wait, patience=wait),
        PermanentError(SECRET),
        ValueError(SECRET),
    ):
        error.__cause__ = RuntimeError(SECRET)
        for call in Guarded(error).calls():
            with pytest.raises(type(error)) as caught:
                call()
            seen = caught.value
            assert SECRET not in f"{seen} {seen!r} {vars(seen)} {seen.__cause__!r}"
            if isinstance(seen, StudioRefusedError):
                assert (
                    seen.refusal.status,
                    "CannotStartJob" in seen.refusal.codes,
                ) == (400, True)
            if isinstance(seen, TransientError):
                assert (seen.retry_after, seen.patience) == (wait, wait)


def test_the_path_of_a_model_of_ours_stays_as_it_is_to_be_compared() -> None:
    ours = "models/runs/sample/sample-0123456789abcdef0123/1/model.ilearner"
    public = frozenset({"models", "sample", "model.ilearner"})
    known = Redactor("0123456789abcdef", "sample-0123", public=public)
    reported = Guarded(
        EndpointCheck(UpdateProgress.DONE, None, ours), known
    ).endpoint.update_state()
    assert reported.configured == ours
    foreign = ours.replace("model.ilearner", "sample-0123")
    reported = Guarded(
        EndpointCheck(UpdateProgress.DONE, None, foreign), known
    ).endpoint.update_state()
    assert reported.configured != foreign


def test_a_metric_may_be_named_like_a_signature() -> None:
    text = '{"sig": 0.5, "sig=": "1"}'
    assert Redactor(SECRET).known(text) == text
