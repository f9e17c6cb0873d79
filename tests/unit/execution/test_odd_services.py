"""Unusual answers of services: no job is started twice, no model is lost, no secret leaks."""

from datetime import timedelta

import pytest

from local.studio import JobState
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from shared.core.redaction import redact
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from shared.providers.http.client import Answer
from tests.fakes.faults import Crash, Kind
from tests.unit.worlds import RUNNING, Observed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOT_STARTED = Answer(200, {}, b'{"StatusCode": "NotStarted"}')


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(409, {}, b'{"error": {"code": "Conflict", "message": "Busy with it."}}'),
        Answer(400, {}, b"The job cannot be started because it is in Running state."),
    ],
)
def test_a_second_start_refused_in_other_words_does_not_park_a_job_that_may_run(
    refusal: Answer,
) -> None:
    world = Observed()
    world.tick()
    at = len(world.faults.sites)
    world.upload()
    world.faults.plan = {
        at + 7: Kind.LOST
    }  # marker, version, line, record, its note, job, job id, start
    queued = world.script("GET", "e", NOT_STARTED, times=None)
    world.deliver()
    world.script("POST", "/start", refusal, times=None)
    assert world.run().phase is Phase.CREATED
    world.idle(3 * world.limits.lease)
    assert world.run().phase is Phase.CREATED
    queued()
    world.studio.work()
    world.until(world.run(), Phase.PROMOTED)
    assert len(world.starts) == 1


def test_a_job_whose_signatures_ran_out_before_it_started_is_made_again() -> None:
    world = Observed()
    world.script("POST", "/start", Answer(400, {}, b"Not now."))
    run = world.start()
    assert world.now_of(run).phase is Phase.PARKED
    world.clock.move(4 * HOUR)
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert [job.state for job in world.studio.jobs] == [JobState.CANCELLED, JobState.FINISHED]
    assert len(world.starts) == 1


def test_the_signatures_of_a_job_age_from_its_making_and_not_from_the_opening_of_its_run() -> None:
    world = Observed(config={"pipeline": {"when_busy": "queue"}})
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada"))
    world.upload()
    run = world.app.requests.requested(world.pipeline, "k", ManualRequest(parameters={}))
    world.clock.move(4 * HOUR)  # longer than any job may take
    world.script("POST", "/start", Answer(400, {}, b"Not now."))
    pipelines.resume("sample")
    world.until(run, Phase.PARKED)
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert [job.state for job in world.studio.jobs] == [JobState.FINISHED]


@pytest.mark.parametrize("shown", [RUNNING, NOT_STARTED], ids=["running", "not started"])
def test_no_other_job_is_made_before_the_one_that_it_replaces_is_over(shown: Answer) -> None:
    world = Observed()
    world.script("POST", "/start", Answer(400, {}, b"Not now."))
    run = world.start()
    job = str(world.now_of(run).job)
    world.clock.move(4 * HOUR)
    world.script("GET", job, NOT_STARTED)  # before its DELETE, which takes its time
    ended = world.script("GET", job, shown, times=1 if shown is RUNNING else 4)
    world.run_operations.retry(run.run_id)
    assert any(sent.startswith("DELETE") for sent in world.http.sent)
    assert [one.id for one in world.studio.jobs] == [job]
    ended()
    world.until(run, Phase.PROMOTED)
    assert [one.state for one in world.studio.jobs] == [JobState.CANCELLED, JobState.FINISHED]
    assert len(world.starts) == 1


def test_a_worker_that_dies_while_it_replaces_a_job_does_not_have_its_run_cancelled() -> None:
    world = Observed()
    world.script("POST", "/start", Answer(400, {}, b"Not now."))
    run = world.start()
    deaths = iter([Crash()])

    def die(method: str, path: str) -> Answer | None:
        if world.http.sent[-2].startswith("DELETE") and (death := next(deaths, None)):
            raise death
        return None

    world.http.answers.append(die)
    world.clock.move(4 * HOUR)
    assert not world.survive(lambda: world.run_operations.retry(run.run_id))
    world.until(run, Phase.PROMOTED)
    assert [one.state for one in world.studio.jobs] == [JobState.CANCELLED, JobState.FINISHED]


def test_a_job_that_is_not_shown_for_a_moment_is_not_taken_for_ended() -> None:
    world = Observed(config={"training": {"timeout": "30m", "attempts": 2}})
    run = world.start()
    world.script("GET", world.now_of(run).job or "", Answer(404, {}, b"Unknown."), times=2)
    world.clock.move(31 * MINUTE)
    world.poll.tick()
    assert len(world.starts) == 1
    world.idle(5 * MINUTE)
    assert world.studio.jobs[0].state is JobState.CANCELLED
    assert len(world.starts) == 2


def test_a_job_that_was_cancelled_at_the_service_is_not_tried_again() -> None:
    world = Observed(config={"training": {"attempts": 3}})
    run = world.start()
    service = world.context.providers.training(world.pipeline.training)
    service.cancel(world.now_of(run).job or "")
    assert "at the service" in (world.until(run, Phase.CANCELLED).reason or "")
    assert len(world.starts) == 1


def test_a_delete_refused_because_the_job_just_ended_does_not_park_the_cancel() -> None:
    world = Observed()
    run = world.start()
    world.script("DELETE", world.now_of(run).job or "", Answer(400, {}, b"It has finished."))
    world.run_operations.cancel(run.run_id)
    assert world.now_of(run).phase is Phase.TRAINING
    world.idle(2 * MINUTE)
    assert world.now_of(run).phase is Phase.CANCELLED


def test_a_job_id_without_quotes_is_one() -> None:
    world = Observed()
    job = "0123456789abcdef0123456789abcdef"
    world.script("POST", "/jobs", Answer(200, {}, job.encode()))
    world.script("POST", "/start", Answer(204, {}, b""))
    run = world.start()
    assert (world.now_of(run).phase, world.now_of(run).job) == (Phase.TRAINING, job)


def test_a_redelivery_after_two_leases_is_not_dropped_by_a_poll_inside_it() -> None:
    world = Observed()
    world.tick()
    world.upload()
    world.faults.plan = {len(world.faults.sites): Kind.CRASH_AFTER}  # once the marker is there
    assert not world.survive(world.deliver)
    world.clock.move(3 * world.limits.lease)
    world.faults.plan = {len(world.faults.sites) + 1: Kind.PREEMPT}
    world.survive(world.deliver)
    world.until(world.run(), Phase.PROMOTED)


def test_a_recorded_run_outlives_a_time_without_its_pipeline() -> None:
    world = Observed()
    world.tick()
    world.upload()
    world.faults.plan = {len(world.faults.sites) + 3: Kind.REFUSED}  # the record
    world.deliver()
    assert world.runs() == []
    file, world.file = world.file, Configuration()
    world.restart()
    world.idle(5 * world.limits.lease)
    world.file = file
    world.restart()
    world.tick()
    world.until(world.run(), Phase.PROMOTED)


def test_a_parameter_that_the_service_repeats_is_in_no_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed(config={"training": {"parameters": {"Query": "${SQL}"}}})
    world.environment["SQL"] = "select/+secret"
    said = b'{"error": {"code": "BadArgument", "message": "Bad query select%2F%2Bsecret."}}'
    world.script("POST", "/jobs", Answer(400, {}, said))
    run = world.start()
    assert world.now_of(run).phase is Phase.PARKED
    reported = world.everything_stored() + caplog.text
    assert "Bad query ***" in reported
    assert "secret" not in reported


@pytest.mark.parametrize("echo", ["ab+/c=", "ab%2B%2Fc%3D", "ab%2b%2fc%3d", r"ab+\/c="])
def test_a_secret_is_found_in_any_form_of_an_answer(echo: str) -> None:
    assert redact(f"bad key {echo} given", "ab+/c=") == "bad key *** given"


def test_an_encoded_signature_is_hidden_too() -> None:
    text = "cannot read https%3A%2F%2Fa.example%2Fb%3Fsv%3D1%26sig%3DSIGNED"
    assert "SIGNED" not in redact(text)


def test_a_metadata_only_update_does_not_make_old_data_eligible() -> None:
    world = Observed()
    world.upload()
    world.clock.move(HOUR)
    world.restart()
    assert world.deliver() == []
    world.clock.move(MINUTE)
    world.blobs.update_metadata("training-data", "new.csv")
    assert world.deliver() == []


def test_the_values_of_named_settings_are_known_as_secrets() -> None:
    world = Observed()
    pipeline: Pipeline = world.pipeline
    secrets = world.context.providers.secrets_of(pipeline)
    assert set(secrets) == {world.training.api_key, world.endpoint.api_key}
