"""Two real hosts over one storage account: both get every event, and one is killed at times.

Each blob's event is delivered one to five times, to either host, at once or after later ones.
Both hosts also search the containers, and both have every timer. The same request is made to both
at the same moment.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import requests

from local.demo.stage import DATA, Stage
from local.host.process import HostProcess
from proofs.host_pair import MOST_TIMES, SETTINGS, HostPair
from proofs.ledger_reader import StudioRecords
from proofs.newest_runs import newest_runs
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.counting import counted
from shared.core.run.record import Origin, Phase, Run
from tests.waiting import eventually

ONE_RUN: Final = "two real hosts: one run for each event, due time and request"
ONE_START: Final = "two real hosts: one started job for each attempt"
SERVES: Final = "two real hosts: every run ends, and the newest model serves"

EACH, BURST, CLOCK = "each", "burst", "clock"
_DUE_EVERY: Final = 10
_SETTINGS: Final = {**SETTINGS, "SCHEDULE_TICK": "*/1 * * * * *"}
_SWITCH_SECONDS: Final = 0.5
_SECONDS: Final = 30
_PATIENCE: Final = 240.0
_KILL_EVERY: Final = 15
_GOOD: Final = frozenset({Phase.PROMOTED, Phase.SUPERSEDED, Phase.UNCHANGED, Phase.FINISHED})
_FEWEST_ROWS: Final = 0.4


def _pipelines(stage: Stage) -> dict[str, Any]:
    """Return one pipeline of a run for each blob, one of bursts, and one of due times."""
    training, endpoint = stage.training_section(), stage.endpoint_section()
    promoted: dict[str, Any] = {"training": training, "endpoints": [endpoint]}
    timed = {"schedule": f"*/{_DUE_EVERY} * * * * *", "catch_up": "all", "when_busy": "parallel"}
    kept = {"blob": f"{CLOCK}/{{name}}.csv", "opens_runs": False}
    return {
        EACH: {**promoted, "data": {"blob": f"{EACH}/{{name}}.csv"}, "when_busy": "parallel"},
        BURST: {**promoted, "data": {"blob": f"{BURST}/{{name}}.csv", "settle": "2s"}},
        CLOCK: {**timed, "data": kept, "training": training},
    }


class _Pair(HostPair):
    """The pair, and the requests that it gets."""

    def __init__(self, stage: Stage, second: HostProcess, effort: Effort) -> None:
        chance = random.Random(f"{effort.seed}/hosts")  # noqa: S311 -- no secret
        super().__init__(stage, second, chance)
        self.stage, self.effort = stage, effort
        self.requests: list[tuple[str, set[str]]] = []  #: key, ids in the answers

    def play(self) -> None:
        """Upload data, deliver events, send requests, and kill."""
        for number in range(self.effort.size):
            part = _FEWEST_ROWS + (number * 0.137) % (1 - _FEWEST_ROWS)
            name = f"{self._chance.choice((EACH, EACH, BURST))}/{number}.csv"
            self.upload(name, self.stage.data(part))
            if number % _KILL_EVERY == _KILL_EVERY // 2:
                self.kill_one()
            self._ask(number)
            self.effort.progress()
        self.deliver_the_rest()

    def _ask(self, number: int) -> None:
        """Make one request to both hosts at once."""
        if number % MOST_TIMES:
            return
        key = f"proof-{number}"
        answers = [self.pool.submit(self._started, host, key) for host in self.hosts]
        ids = {found for answer in answers if (found := answer.result())}
        self.requests.append((key, ids))

    def _started(self, host: HostProcess, key: str) -> str | None:
        """Return the run that a request opened; None if the host cannot answer now."""
        answer = requests.post(
            f"{host.url}/api/pipelines/{CLOCK}/runs",
            json={},
            headers={"Idempotency-Key": key},
            timeout=_SECONDS,
        )
        return str(answer.json()["run_id"]) if answer.ok else None


def part(effort: Effort) -> list[Outcome]:
    """Upload `effort.size` blobs for two hosts; one outcome for each promise."""
    with (
        Stage(_SETTINGS, switch_seconds=_SWITCH_SECONDS, more_pipelines=_pipelines) as stage,
        stage.new_host() as second,
    ):
        stage.storage.get_blob_client(DATA, f"{CLOCK}/all.csv").upload_blob(stage.data(1))
        records, pair = StudioRecords(stage), _Pair(stage, second, effort)
        with pair:
            pair.play()
        with suppress(AssertionError):  # runs that did not end are reported below
            eventually(lambda: not _not_idle(records, pair), "the end of all runs", _PATIENCE)
        runs = [run for run, _ in records.runs()]
        worked = pair.worked
        found = {
            ONE_RUN: [*_not_one_run(pair, runs), *_due_times_missing(runs)],
            ONE_START: records.started_twice(),
            SERVES: [*_not_idle(records, pair), *_another_serves(records, runs)],
        }
    plan = again("two hosts", "--seed", effort.seed, "--size", effort.size)
    notes = (
        f"{counted(len(pair.arrived), 'blob')}, "
        f"{counted(pair.deliveries, 'delivery', 'deliveries')}, "
        f"{counted(len(pair.requests), 'request')} twice, "
        f"{counted(_number(runs, Origin.SCHEDULE), 'due time')}; "
        f"{counted(pair.kills, 'host')} killed;"
        f" {worked[0]} and {worked[1]} functions run"
    )
    return [
        Outcome(promise, len(runs), tuple(Violation(plan, what) for what in wrong), note)
        for (promise, wrong), note in zip(found.items(), (notes, "", ""), strict=True)
    ]


def _number(runs: list[Run], origin: Origin) -> int:
    return sum(run.origin is origin for run in runs)


def _not_idle(records: StudioRecords, pair: _Pair) -> list[str]:
    """Return what is not where it is to stay: runs of due times come all the time."""
    runs = [run for run, _ in records.runs()]
    trained = {(blob.name, blob.etag) for run in runs for blob in run.manifest}
    waiting = [f"{name} has no run" for name, etag in pair.arrived if (name, etag) not in trained]
    newest = max((run.opened_at for run in runs if run.pipeline == CLOCK), default=None)
    return waiting + [
        f"{run.run_id} is {run.phase}: {run.reason or run.step_failure}"
        for run in runs
        if run.phase not in _GOOD
        if run.pipeline != CLOCK or newest is None or newest - run.opened_at > _lately()
    ]


def _lately() -> timedelta:
    return timedelta(seconds=4 * _DUE_EVERY)


def _not_one_run(pair: _Pair, runs: list[Run]) -> Iterator[str]:
    owners = Counter((blob.name, blob.etag) for run in runs for blob in run.manifest)
    for name, etag in pair.arrived:
        if owners[name, etag] != 1:
            yield f"{name} is in {owners[name, etag]} manifests"
    for key, ids in pair.requests:
        if len(ids) != 1:
            yield f"the request {key} was answered with the runs {sorted(ids)}"
    manual = _number(runs, Origin.MANUAL)
    if manual != len(pair.requests):
        yield f"{counted(len(pair.requests), 'request')} opened {counted(manual, 'run')}"


def _due_times_missing(runs: list[Run]) -> Iterator[str]:
    dues = sorted(_due_time(run) for run in runs if run.origin is Origin.SCHEDULE)
    for due, following in pairwise(dues):
        if following - due != timedelta(seconds=_DUE_EVERY):
            yield f"after the due time {due.isoformat()} came {following.isoformat()}"


def _due_time(run: Run) -> datetime:
    return datetime.fromisoformat(run.cause.removeprefix("due "))


def _another_serves(records: StudioRecords, runs: list[Run]) -> list[str]:
    promoted = [run for run in runs if run.phase is Phase.PROMOTED]
    newest = newest_runs(promoted)
    wrong = [records.not_serving(run) for run in newest] or [["nothing was promoted"]]
    return min(wrong, key=len)
