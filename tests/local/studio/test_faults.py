"""Faults: chosen by rules in JSON, and carried out over HTTP."""

import contextlib
import http.client
import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from local.studio import InstantTrainer, Published
from local.studio.faults import FaultKind, FaultRule, FaultScript, canned, choose
from local.studio.server import StudioServer
from tests.local.studio.bench import Bench, detail, over_http


class Wired:
    """A bench behind the server, with one job created and its start to go wrong."""

    def __init__(self, bench: Bench, faults: FaultScript) -> None:
        self.bench = bench
        self.faults = faults
        self.service: Published = bench.publish_training()
        self.job_url = f"{self.service.jobs_url}/{bench.submit(self.service).json()}"

    @property
    def starts(self) -> int:
        return len(self.bench.studio.jobs[0].started_at)


@pytest.fixture
def wired() -> Iterator[Wired]:
    bench, faults = Bench(), FaultScript()
    server = StudioServer(bench.studio, trainer=InstantTrainer(), faults=faults, queue_delay=None)
    with server:
        bench.send = over_http(server.url)
        yield Wired(bench, faults)


def _rule(kind: str, **more: object) -> FaultRule:
    return FaultRule.model_validate({"match": "POST */start", "kind": kind, **more})


def test_a_rule_applies_to_what_it_matches_as_often_as_it_says() -> None:
    rules: tuple[FaultRule, ...] = (_rule("500", times=2),)
    for left in (1, 0):
        assert choose(rules, "GET", "/jobs/1/start") == (None, rules)
        rule, rules = choose(rules, "POST", "/jobs/1/start")
        assert rule is not None
        assert sum(item.times or 0 for item in rules) == left
    assert rules == ()


def test_a_rule_without_an_end_stays() -> None:
    rules = (_rule("500", times=None),)
    assert choose(rules, "POST", "/start") == (rules[0], rules)


def test_a_rule_lets_the_first_requests_through_when_asked_to() -> None:
    rules: tuple[FaultRule, ...] = (_rule("500", skip=2),)
    seen = []
    for _ in range(4):
        rule, rules = choose(rules, "POST", "/start")
        seen.append(rule is not None)
    assert seen == [False, False, True, False]


def test_the_first_rule_that_applies_is_chosen_and_the_others_keep_their_order() -> None:
    rules = (_rule("401", match="GET *"), _rule("500", skip=1), _rule("503"), _rule("html"))
    rule, left = choose(rules, "POST", "/start")
    assert rule == rules[2]
    assert [item.kind.value for item in left] == ["401", "500", "html"]
    assert [item.skip for item in left] == [0, 0, 0]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {"kind": "delay"},
        {"kind": "500", "seconds": 1},
        {"kind": "500", "retry_after": 1},
        {"kind": "500", "times": 0},
        {"kind": "500", "path": "/"},
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FaultRule.model_validate(rule)


def test_every_kind_is_either_an_answer_or_acted_out() -> None:
    acted = {kind for kind in FaultKind if canned(FaultRule.model_construct(kind=kind)) is None}
    assert acted == {
        FaultKind.REFUSE,
        FaultKind.DROP_BEFORE,
        FaultKind.DROP_AFTER,
        FaultKind.TRUNCATED,
        FaultKind.DELAY,
    }


@pytest.mark.parametrize(
    ("kind", "starts"),
    [("refuse", 0), ("drop_before", 0), ("drop_after", 1)],
)
def test_a_dropped_connection_gives_no_answer(wired: Wired, kind: str, starts: int) -> None:
    wired.faults.add([_rule(kind)])
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        wired.bench.call("POST", f"{wired.job_url}/start", wired.service.api_key, "x" * 100_000)
    assert wired.starts == starts
    assert wired.faults.rules == ()


def test_a_truncated_answer_breaks_off_after_taking_effect(wired: Wired) -> None:
    wired.faults.add([_rule("truncated"), _rule("truncated", match="GET *")])
    for method, url in (("POST", f"{wired.job_url}/start"), ("GET", wired.job_url)):
        with pytest.raises(http.client.IncompleteRead):
            wired.bench.call(method, url, wired.service.api_key)
    assert wired.starts == 1


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("503", 503, ("ServiceUnavailable", "RequestThrottled")),
        ("500", 500, ("InternalError", "UnknownError")),
        ("401", 401, ("Unauthorized", "ScoreRequestUnauthorized")),
    ],
)
def test_an_error_answer_has_the_envelope_and_no_effect(
    wired: Wired, kind: str, status: int, error: tuple[str, str]
) -> None:
    wired.faults.add([_rule(kind)])
    answer = wired.bench.call("POST", f"{wired.job_url}/start", wired.service.api_key)
    assert detail(answer) == (status, *error)
    assert "Retry-After" not in answer.headers
    assert wired.starts == 0


def test_a_503_may_say_when_to_come_back(wired: Wired) -> None:
    wired.faults.add([_rule("503", retry_after=7)])
    answer = wired.bench.call("POST", f"{wired.job_url}/start", wired.service.api_key)
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize(("kind", "status"), [("garbage", 200), ("plain_text", 400), ("html", 502)])
def test_an_answer_that_is_no_json_has_no_effect(wired: Wired, kind: str, status: int) -> None:
    wired.faults.add([_rule(kind)])
    answer = wired.bench.call("POST", f"{wired.job_url}/start", wired.service.api_key)
    assert answer.status == status
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert wired.starts == 0


def test_a_delayed_request_goes_well_in_the_end(wired: Wired) -> None:
    wired.faults.add([_rule("delay", seconds=0.01)])
    assert wired.bench.call("POST", f"{wired.job_url}/start", wired.service.api_key).status == 200
    assert wired.starts == 1


def test_faults_are_steered_over_the_control_plane_and_do_not_hit_it(wired: Wired) -> None:
    rule = {"match": "*", "kind": "drop_before", "times": 2}
    added = wired.bench.call("POST", "/_studio/faults", body=rule)
    assert added.json()[0]["times"] == 2
    assert len(wired.bench.call("POST", "/_studio/faults", body=[rule, rule]).json()) == 3
    with contextlib.suppress(ConnectionError):
        wired.bench.call("GET", wired.job_url, wired.service.api_key)
    assert wired.bench.call("GET", "/_studio/faults").json()[0]["times"] == 1
    assert wired.bench.call("DELETE", "/_studio/faults").json() == []
    assert wired.bench.call("GET", wired.job_url, wired.service.api_key).status == 200
    bad = wired.bench.call("POST", "/_studio/faults", body={"kind": "explode"})
    assert bad.status == 400
