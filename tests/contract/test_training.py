"""The port of services that train, over every kind of them, in memory and over HTTP."""

from collections.abc import Iterator

import pytest

from shared.ports.training import FinishedJob, JobStatus
from tests.contract.services import SERVICES, Bench, bench_of


@pytest.fixture(params=SERVICES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench_of(request.param) as built:
        yield built


def test_a_prepared_job_does_not_start_by_itself(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.finish()
    assert bench.training.state(handle).status is JobStatus.NOT_STARTED
    assert bench.starts() == []


def test_starting_twice_starts_once(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.finish()
    bench.training.ensure_started(handle, bench.request)
    assert bench.training.state(handle).status is JobStatus.FINISHED
    assert len(bench.starts()) == 1


def test_a_cancelled_job_ends_and_cancelling_may_be_repeated(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.training.cancel(handle)
    bench.training.cancel(handle)
    bench.switch()  # a service may take its time for it
    assert bench.training.state(handle).status is JobStatus.CANCELLED


def test_a_cancelled_job_cannot_be_started(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.cancel(handle)
    bench.training.ensure_started(handle, bench.request)  # "already past the start" is not an error
    bench.finish()
    assert bench.training.state(handle).status is JobStatus.CANCELLED
    assert bench.starts() == []


def test_preparing_twice_starts_nothing(bench: Bench) -> None:
    bench.training.prepare(bench.request)
    bench.training.prepare(bench.request)
    bench.finish()
    assert bench.starts() == []


def test_a_preview_shows_the_request_and_sends_nothing(bench: Bench) -> None:
    shown = bench.training.preview(bench.request)
    assert {"method", "url"} <= set(shown)
    assert "sig=" not in str(shown)
    assert bench.starts() == []


def test_a_started_job_is_not_finished_before_it_has_run(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    assert bench.training.state(handle).status in (JobStatus.NOT_STARTED, JobStatus.RUNNING)
    bench.finish()
    assert bench.training.state(handle).status is JobStatus.FINISHED


def test_a_job_that_has_ended_may_be_cancelled_and_stays_finished(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.finish()
    bench.training.cancel(handle)
    bench.switch()
    assert bench.training.state(handle).status is JobStatus.FINISHED


def test_asking_twice_for_the_models_of_a_job_gives_the_same(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.finish()
    job = FinishedJob(handle, None, bench.request)
    models = bench.training.models(job, {"": None})
    assert list(models) == [""]
    assert bench.training.models(job, {"": None}) == models
    assert len(bench.starts()) == 1
