"""Two real hosts at one online endpoint: both get every event, and one is killed in a step.

Most data arrives while traffic is shifted to an earlier model. The host that finds a run first
takes its next step.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from local.demo.app_stage import PIPELINE
from local.demo.serving_stage import ServingStage
from local.host.process import HostProcess
from proofs.host_pair import SETTINGS, HostPair
from proofs.ledger_reader import ServingRecords
from proofs.newest_runs import newest_runs
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.counting import counted
from shared.core.run.record import Phase, Run
from tests.waiting import eventually

PART: Final = "two hosts at an endpoint"
ONE_RUN: Final = "two real hosts at one endpoint: each event in one run, which has one started job"
ONE_CANDIDATE: Final = "two real hosts at one endpoint: one candidate for each run"
SERVES: Final = "two real hosts at one endpoint: every run ends, and the newest model serves"
SAFE: Final = "two real hosts at one endpoint: nothing unsafe is ever asked of it"

_PATIENCE: Final = 240.0
_KILL_EVERY: Final = 3
_GOOD: Final = frozenset({Phase.PROMOTED, Phase.SUPERSEDED})
_FEWEST_ROWS: Final = 0.4
_PUT: Final = "PUT deployment "


class _Stage(ServingStage):
    """A workspace with an endpoint, whose models are made up."""

    flags = ("--made-up-scores",)
    steps: Mapping[str, object] = MappingProxyType({"steps": [20, 100], "bake": "1s"})


class _Pair(HostPair):
    """The pair, and the endpoint that it updates."""

    def __init__(self, stage: _Stage, second: HostProcess, effort: Effort) -> None:
        chance = random.Random(f"{effort.seed}/endpoint")  # noqa: S311 -- no secret
        super().__init__(stage, second, chance)
        self.records = ServingRecords(stage)
        self._serving, self._effort = stage, effort

    def play(self) -> None:
        """Upload data and deliver its events, sometimes ahead of the end of the run before."""
        for number in range(self._effort.size):
            part = _FEWEST_ROWS + (number * 0.137) % (1 - _FEWEST_ROWS)
            self.upload(f"{PIPELINE}/{number}.csv", self._serving.data(part))
            if number % _KILL_EVERY == 1:
                eventually(self._is_in_a_step, "a run in a step", _PATIENCE)
                self.kill_one()
            if not number or self._chance.random() < 1 / 2:
                eventually(lambda: not self.not_over(), "the end of a run", _PATIENCE)
            self._effort.progress()
        self.deliver_the_rest()

    def not_over(self) -> list[str]:
        """Return what is not where it is to stay."""
        runs = [run for run, _ in self.records.runs()]
        known = {(blob.name, blob.etag) for run in runs for blob in run.manifest}
        waiting = [f"{cause[0]} has no run" for cause in self.arrived if cause not in known]
        return waiting + [
            f"{run.run_id} is {run.phase}: {run.reason or run.step_failure}"
            for run in runs
            if run.phase not in _GOOD
        ]

    def _is_in_a_step(self) -> bool:
        return any(run.phase is Phase.VERIFYING for run, _ in self.records.runs())


def part(effort: Effort) -> list[Outcome]:
    """Upload `effort.size` blobs for two hosts at one endpoint; one outcome for each promise."""
    with _Stage(SETTINGS) as stage, stage.new_host() as second:
        pair = _Pair(stage, second, effort)
        with pair, suppress(AssertionError):  # runs that did not end are reported below
            pair.play()
            eventually(lambda: not pair.not_over(), "the end of all runs", _PATIENCE)
        runs = [run for run, _ in pair.records.runs()]
        found = {
            ONE_RUN: [*_not_one_run(pair, runs), *pair.records.started_twice()],
            ONE_CANDIDATE: [*_not_one_candidate(stage, runs)],
            SERVES: [*pair.not_over(), *_another_serves(pair.records, runs)],
            SAFE: stage.violations(),
        }
        worked = " and ".join(map(str, pair.worked))
    plan = again(PART, "--seed", effort.seed, "--size", effort.size)
    ends = Counter(str(run.phase) for run in runs)
    notes = (
        f"{counted(len(pair.arrived), 'blob')}, "
        f"{counted(pair.deliveries, 'delivery', 'deliveries')}; "
        f"{', '.join(f'{number} {end}' for end, number in sorted(ends.items()))}; "
        f"{counted(pair.kills, 'host')} killed; {worked} functions run"
    )
    return [
        Outcome(promise, len(runs), tuple(Violation(plan, what) for what in wrong), note)
        for (promise, wrong), note in zip(found.items(), (notes, "", "", ""), strict=True)
    ]


def _not_one_run(pair: _Pair, runs: list[Run]) -> Iterator[str]:
    owners = Counter((blob.name, blob.etag) for run in runs for blob in run.manifest)
    for name, etag in pair.arrived:
        if owners[name, etag] != 1:
            yield f"{name} is in {counted(owners[name, etag], 'manifest')}"


def _not_one_candidate(stage: _Stage, runs: list[Run]) -> Iterator[str]:
    asked = [one.removeprefix(_PUT) for one in stage.workspace.requests if one.startswith(_PUT)]
    made = {name.rpartition("/")[2] for name in asked}
    named = Counter(run.candidate.name for run in runs if run.candidate)
    if made != set(named):
        yield f"deployments {sorted(made)} were made, and the runs name {sorted(named)}"
    for name, times in named.items():
        if times > 1:
            yield f"{counted(times, 'run')} name {name}"


def _another_serves(records: ServingRecords, runs: list[Run]) -> list[str]:
    newest = newest_runs([run for run in runs if run.phase is Phase.PROMOTED])
    wrong = [records.not_serving(run) for run in newest] or [["nothing was promoted"]]
    return min(wrong, key=len)
