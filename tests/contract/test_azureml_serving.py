"""The provider of endpoints against the stand-in, with each behaviour that a workspace may have."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from local.azureml.answers import WORKSPACE
from local.azureml.calls import Fault
from local.azureml.personalities import PERSONALITIES, personality
from local.azureml.server import AzureMlServer
from local.azureml.service import AzureMl
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_models import model_named
from shared.core.config.azureml_names import workspace_of
from shared.core.decisions.answers import scores_in
from shared.core.redaction import Redactor
from shared.core.serving.probes import (
    CandidateFailure,
    EndpointCheck,
    ProbeAnswers,
    ProbeOutcome,
    UpdateProgress,
)
from shared.core.serving.references import Candidate, ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import Measure, TrafficPoint, TrafficQuery
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.serving import ModelAnswer, ServingEndpoint
from shared.providers.azureml.connections import AzureMlConnections
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.tokens import Tokens
from shared.providers.http.client import Http, RequestsHttp
from shared.providers.redacting import RedactingEndpoint
from tests.fakes.azureml_http import AzureMlHttp, Identity
from tests.fakes.azureml_world import CENSUS, FILE, ROWS
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock

T = TypeVar("T")
RUN = "sample-0123456789abcdef0123"
MINUTE = timedelta(minutes=1)


class Bench:
    """An endpoint that serves `census/1` by `blue`, in a workspace of some personality."""

    def __init__(self, name: str = "as documented", mode: str = "Key") -> None:
        self.clock = FakeClock()
        self.azureml = AzureMl(self.clock, personality(name))
        self.azureml.hooks.add_endpoint(CENSUS, mode)
        self.azureml.hooks.add_deployment(CENSUS, "blue", "census/1")
        known = {"modelType": "custom_model", "modelUri": "azureml://datastores/m/paths/2"}
        self.azureml.state.models["census", "2"] = known
        self.azureml.hooks.set_traffic(CENSUS, {"blue": 100})
        self.serving = self.over(AzureMlHttp(self.azureml))

    def over(self, http: Http, base: str = "") -> ServingEndpoint:
        """Return the provider as a new process has it."""
        blobs = FakeBlobs(self.clock)
        connections = AzureMlConnections(
            http,
            http,
            {},
            Storage(blobs, blobs, "models", None),
            development=True,
            tokens=Tokens(Identity()),
        )
        written = {
            "kind": "azureml",
            "name": "production",
            "workspace": f"{base}{WORKSPACE}",
            "endpoint": CENSUS,
            "deployment": FILE,
            "verify": {"rows": ROWS},
        }
        config = AzureMlEndpoint.model_validate(written, context={"development": True})
        return RedactingEndpoint(connections.serving(config), Redactor())

    def until(self, do: Callable[[], T], good: Callable[[T], bool] = lambda _: True) -> T:
        """Repeat what is not done yet, as a run does; return the first good result."""
        last: object = None
        for _ in range(300):
            try:
                found = do()
            except (TransientError, OutcomeUnknownError) as exc:
                last = exc
            else:
                if good(found):
                    return found
                last = found
            self.clock.move(MINUTE)
        raise AssertionError(f"never: {last}")

    def candidate(self) -> Candidate:
        return self.serving.candidate(model_named("azureml:census:2", workspace_of(WORKSPACE)), RUN)

    def staged(self) -> Candidate:
        candidate = self.candidate()
        self.until(lambda: self.serving.stage(candidate))
        self.until(lambda: self.serving.candidate_state(candidate), _is_done)
        return candidate

    def shifted(self, candidate: Candidate, before: TrafficMap, share: int) -> TrafficMap:
        wanted = before.giving(candidate.name, share)
        shift = Shift(candidate=candidate, share=share, before=before, wanted=wanted)

        def asked() -> EndpointCheck:
            self.serving.shift(shift)
            return self.serving.update_state(None, shift)

        self.until(asked, lambda check: _is_done(check) and check.traffic == wanted)
        return wanted

    def base(self) -> ServingState:
        found = self.until(self.serving.current)
        assert found is not None
        assert found.traffic is not None
        return found

    def restored(self, state: ServingState, known: TrafficMap) -> None:
        def asked() -> EndpointCheck:
            self.serving.restore(state, (known,))
            return self.serving.update_state()

        self.until(asked, lambda check: _is_done(check) and check.traffic == state.traffic)

    def discarded(self, candidate: Candidate) -> None:
        self.until(lambda: self.serving.discard(candidate), bool)

    @property
    def violations(self) -> list[object]:
        return [*self.azureml.violations]


def _is_done(check: EndpointCheck) -> bool:
    return check.progress is UpdateProgress.DONE


def _is_good(seen: ProbeAnswers | ModelAnswer) -> bool:
    return seen.seen is ProbeOutcome.GOOD


@pytest.mark.parametrize("name", PERSONALITIES)
def test_a_candidate_goes_live_in_steps_and_back(name: str) -> None:
    bench = Bench(name)
    serving = bench.serving
    bench.until(serving.ensure)
    base = bench.base()
    assert base.traffic is not None
    before = bench.until(lambda: serving.score(ROWS), _is_good)
    candidate = bench.staged()
    pinned = bench.until(lambda: serving.score(ROWS, candidate), _is_good)
    assert (pinned.answered_by, pinned.agrees_with(before)) == (candidate.name, False)
    whole = bench.until(lambda: serving.answer(ROWS, candidate.name), _is_good)
    assert (whole.answered_by, len(scores_in(whole.answer, 2, "", 1, None))) == (candidate.name, 2)
    traffic = base.traffic
    for share in (10, 50, 100):
        traffic = bench.shifted(candidate, traffic, share)
    bench.until(serving.update_state, lambda one: one.configured == "azureml:census:2")
    bench.until(lambda: serving.score(ROWS), lambda one: one.answered_by == candidate.name)
    bench.until(lambda: serving.restorable(base), bool)
    bench.restored(base, traffic)
    bench.clock.move(2 * MINUTE)
    assert serving.score(ROWS).agrees_with(before)
    bench.discarded(candidate)
    assert set(bench.azureml.state.endpoints[CENSUS].deployments) == {"blue"}
    bench.until(lambda: serving.answer(ROWS, candidate.name), lambda one: one.is_missing)
    assert not serving.answer(ROWS, "blue").is_missing
    assert bench.violations == []


@pytest.mark.parametrize("name", PERSONALITIES)
def test_a_deleted_deployment_serves_again(name: str) -> None:
    bench = Bench(name)
    serving = bench.serving
    base = bench.base()
    assert base.traffic is not None
    candidate = bench.staged()
    traffic = bench.shifted(candidate, base.traffic, 100)
    bench.azureml.hooks.remove_deployment(CENSUS, "blue")
    assert bench.until(lambda: serving.restorable(base))
    bench.restored(base, traffic)
    assert bench.violations == []


@pytest.mark.parametrize("name", PERSONALITIES)
def test_a_deployment_that_fails_again_is_not_made_each_minute(name: str) -> None:
    bench = Bench(name)
    base = bench.base()
    assert base.traffic is not None
    first = bench.staged()
    traffic = bench.shifted(first, base.traffic, 100)
    ours = bench.base()
    second = bench.serving.candidate(model_named("azureml:census:1", workspace_of(WORKSPACE)), RUN)
    bench.until(lambda: bench.serving.stage(second))
    bench.until(lambda: bench.serving.candidate_state(second), _is_done)
    traffic = bench.shifted(second, traffic, 100)
    bench.discarded(first)
    bench.azureml.hooks.fail_next(f"{CENSUS}/{first.name}", "OutOfQuota", "no cores")
    made, began = bench.azureml.calls.count("PUT deployment"), bench.clock.now()
    bench.restored(ours, traffic)
    assert bench.clock.now() - began < timedelta(hours=1)
    again = bench.azureml.calls.count("PUT deployment") - made
    assert again in (2, 3)  # one that a failed deployment refuses, and then another
    assert bench.violations == []


WRITES = ("PUT endpoint", "PUT deployment", "DELETE deployment")
READS = ("GET endpoint", "GET deployment", "GET deployments", "POST listKeys", "POST score")


@pytest.mark.parametrize("kind", [*WRITES, *READS])
def test_no_single_fault_of_a_call_makes_a_promotion_do_more_than_it_may(kind: str) -> None:
    for fault in Fault:
        if fault.done and kind in READS and fault is not Fault.CUT:
            continue  # a read that was lost is a read that was not made
        bench = Bench()
        bench.azureml.calls.fault_on(kind, fault)
        there_and_back(bench)
        bench.clock.move(5 * MINUTE)  # what is late arrives
        bench.serving.update_state()
        shown = bench.azureml.state.endpoints[CENSUS]
        assert {n: s for n, s in shown.traffic.items() if s} == {"blue": 100}, fault
        assert set(shown.deployments) == {"blue"}, fault
        assert bench.violations == [], fault


def there_and_back(bench: Bench) -> None:
    base = bench.base()
    assert base.traffic is not None
    candidate = bench.staged()
    bench.until(lambda: bench.serving.score(ROWS, candidate), _is_good)
    half = bench.shifted(candidate, base.traffic, 50)
    bench.restored(base, bench.shifted(candidate, half, 100))
    bench.discarded(candidate)


@pytest.mark.parametrize("mode", ["Key", "AMLToken", "AADToken"])
def test_each_way_to_sign_in_is_known_and_renewed(mode: str) -> None:
    bench = Bench(mode=mode)
    assert _is_good(bench.serving.score(ROWS))
    if mode != "AADToken":
        bench.azureml.hooks.rotate_key(CENSUS)
        assert _is_good(bench.serving.score(ROWS))
    bench.clock.move(timedelta(days=2))
    assert _is_good(bench.serving.score(ROWS))


@pytest.mark.parametrize("name", PERSONALITIES)
def test_requests_are_counted_once_they_are_known(name: str) -> None:
    bench = Bench(name)
    bench.clock.move(timedelta(hours=1))
    since = bench.clock.now().replace(second=0, microsecond=0)
    for _ in range(30):
        bench.until(lambda: bench.serving.score(ROWS), _is_good)
    bench.clock.move(10 * MINUTE)
    points: list[TrafficPoint] = []
    for measure in Measure:
        query = TrafficQuery(measure, ("blue",), since, since + 5 * MINUTE)
        if name == "no role for metrics":
            with pytest.raises(PermanentError, match="Monitoring Reader"):
                bench.serving.requests(query)
            return
        points += bench.serving.requests(query)
    counted = [one for one in points if one.latency is None]
    assert sum(one.requests or 0 for one in counted) == pytest.approx(30, rel=0.5)
    assert {(one.deployment, one.status) for one in counted} == {("blue", "200")}
    assert any(one.latency for one in points)


def test_a_failure_and_a_log_are_read_over_http() -> None:
    bench = Bench()
    http = RequestsHttp()
    with AzureMlServer(bench.azureml) as server:
        serving = bench.over(http, server.url)
        place = workspace_of(f"{server.url}{WORKSPACE}")
        candidate = serving.candidate(model_named("azureml:census:2", place), RUN)
        with server.lock:
            resource = f"{CENSUS}/{candidate.name}"
            bench.azureml.hooks.fail_next(resource, "ResourceNotReady", "score.py raised")
        serving.stage(candidate)
        bench.clock.move(timedelta(minutes=20))
        check = serving.candidate_state(candidate)
        assert (check.progress, check.failure) == (UpdateProgress.FAILED, CandidateFailure.REJECT)
        assert "ResourceNotReady: score.py raised" in check.detail
        assert "Failed" in serving.log_lines(candidate)
    http.close()
