"""Brings many runs from data to a live model: none may be lost, and the worker may not grow.

The real host, over the storage server and the stand-in: each of many customers has an endpoint
of its own, so that promotions run side by side. All times are of this machine; the slopes are
fitted over the second half of the runs, so that what is made once counts as warm-up.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import sqrt
from statistics import StatisticsError, fmean, linear_regression
from typing import Any, Final, Self

import psutil
import requests
from azure.core.exceptions import AzureError, ResourceNotFoundError

from local.demo.stage import DATA, LEDGER, RESOURCE, Stage
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.app import SystemClock
from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
from shared.core.versions import version_id
from shared.providers.azure_storage.blobs import AccountBlobs
from tests.waiting import eventually

PIPELINE: Final = "load"
_CUSTOMERS: Final = 40
_BATCH: Final = 10
_MOST_OPEN: Final = 40
_SWITCH_SECONDS: Final = 0.5
_SECONDS: Final = 30
_CHECK_INTERVAL: Final = 0.5
_SAMPLE_EVERY: Final = 2.0
#: How long no run may end before the rest counts as lost.
_STUCK_SECONDS: Final = 300.0
_SIZES: Final = 83  # of data: a prime, so that a customer's models differ from one to the next
_FEWEST_ROWS, _MORE_ROWS = 0.1, 0.002

NOTHING_LOST: Final = "no run is lost"
MEMORY: Final = "memory stays flat"
FILES: Final = "open files stay flat"
_GOOD: Final = frozenset({Phase.PROMOTED, Phase.SUPERSEDED, Phase.UNCHANGED})
_MOST_KB_PER_RUN: Final = 20 * 1024 / 1000
_MOST_FILES_PER_RUN: Final = 5 / 1000
#: With fewer runs a slope means nothing: it is reported, but no violation.
_FEWEST_JUDGED: Final = 200
_FEWEST_SAMPLES: Final = 3
_SHOWN: Final = 10


def _pipelines(stage: Stage) -> dict[str, Any]:
    endpoint = {
        "name": "theirs",
        "update": stage.endpoint["management_url"].replace("production", "{customer}"),
        "workspace_token": "${WORKSPACE_TOKEN}",
        "create": True,
        "resource": RESOURCE,
        "verify": {"rows": "probe.json"},
    }
    pipeline = {
        "data": {"blob": f"{PIPELINE}/{{customer}}/{{name}}.csv"},
        "when_busy": "parallel",
        "training": stage.training_section(),
        "endpoints": [endpoint],
    }
    return {PIPELINE: pipeline}


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory and handles of the worker after a number of runs."""

    runs: int
    worker: int  #: its process id
    kilobytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth for each run: a fitted slope, with its standard error."""

    slope: float
    error: float

    @classmethod
    def of(cls, runs: Sequence[int], values: Sequence[int]) -> Self:
        """Fit a line.

        Raises:
            StatisticsError: the samples do not make one.
        """
        line = linear_regression(runs, values)
        middle = fmean(runs)
        spread = sum((x - middle) ** 2 for x in runs)
        off = sum(
            (y - line.intercept - line.slope * x) ** 2 for x, y in zip(runs, values, strict=True)
        )
        return cls(line.slope, sqrt(off / (len(runs) - 2) / spread))

    def exceeds(self, most: float) -> bool:
        """Whether it is more than `most`, beyond what the scatter of the samples explains."""
        return self.slope - 2 * self.error > most

    def __str__(self) -> str:
        """Return the growth of a hundred runs."""
        return f"{self.slope * 100:+.2f} (error {self.error * 100:.2f}) per 100 runs"


class _Sampler:
    """Measures the worker every few seconds, until the `with` block ends."""

    def __init__(self, load: "_Load") -> None:
        self.samples: list[Sample] = []
        self._load = load
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def workers(self) -> int:
        """Return how many worker processes there were, one after the other."""
        return len({sample.worker for sample in self.samples})

    def growth(self) -> tuple["Growth", "Growth"] | None:
        """Return what each run adds in kilobytes and in files; None from too few samples."""
        half = self._load.ended / 2
        late = [sample for sample in self.samples if sample.runs >= half]
        if len(late) < _FEWEST_SAMPLES:
            return None
        runs = [sample.runs for sample in late]
        try:
            memory = Growth.of(runs, [sample.kilobytes for sample in late])
            files = Growth.of(runs, [sample.files for sample in late])
        except StatisticsError:  # no run ended meanwhile
            return None
        return memory, files

    def _run(self) -> None:
        status = f"{self._load.stage.host.url}/admin/host/status"
        while not self._over.wait(_SAMPLE_EVERY):
            try:
                pid = requests.get(status, timeout=_SECONDS).json()["workerPid"]
                if pid is not None:
                    self._check(psutil.Process(pid))
            except (requests.RequestException, psutil.Error):
                continue  # it is being replaced, which `workers` counts

    def _check(self, worker: psutil.Process) -> None:
        kilobytes = worker.memory_info().rss // 1024
        sample = Sample(self._load.ended, worker.pid, kilobytes, worker.num_fds())
        self.samples.append(sample)


@dataclass
class _Load:
    """Uploads data, no more at once than may be under way, and waits for its runs to end."""

    stage: Stage
    effort: Effort
    ended: int = 0
    uploaded: list[tuple[str, str]] = field(default_factory=list)  #: name and ETag
    _open: dict[str, str] = field(default_factory=dict)  #: run -> name of its data
    _pause: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Take all runs to their ends, or as far as they get."""
        todo = iter(range(self.effort.size))
        last = time.monotonic()
        more = True
        while (more or self._open) and time.monotonic() - last < _STUCK_SECONDS:
            if more and len(self._open) <= _MOST_OPEN - _BATCH:
                batch = list(islice(todo, _BATCH))
                more = bool(batch)
                for number in batch:
                    self._upload(number)
            if self._reaped():
                last = time.monotonic()
            else:
                self._pause.wait(_CHECK_INTERVAL)

    def lost(self) -> list[str]:
        """Return what is wrong with the runs, for each uploaded version."""
        runs = list(self.runs())
        owners = Counter((blob.name, blob.etag) for run in runs for blob in run.manifest)
        found = [
            f"{name} is in {owners[name, etag]} manifests"
            for name, etag in self.uploaded
            if owners[name, etag] != 1
        ]
        bad = [run for run in runs if run.phase not in _GOOD]
        return found + [f"{run.run_id} is {run.phase}: {run.reason}" for run in bad]

    def runs(self) -> list[Run]:
        """Return every run of the ledger that new data opened."""
        ledger = self.stage.storage.get_container_client(LEDGER)
        names = [blob.name for blob in ledger.list_blobs("runs/")]
        read = [Run.model_validate_json(ledger.download_blob(name).readall()) for name in names]
        return [run for run in read if run.origin is Origin.DATA]

    def _upload(self, number: int) -> None:
        name = f"{PIPELINE}/c{number % _CUSTOMERS}/{number}.csv"
        # Shifted by the seed; a customer's next data is of another size.
        size = (number + self.effort.seed + number // _CUSTOMERS) % _SIZES
        blob = self.stage.storage.get_blob_client(DATA, name)
        blob.upload_blob(self.stage.data(_FEWEST_ROWS + _MORE_ROWS * size))
        made = AccountBlobs(self.stage.storage, SystemClock(), https_only=False).head(DATA, name)
        if made is None:
            raise AssertionError(f"{name} is gone")
        self.uploaded.append((name, made.etag))
        version = version_id(PIPELINE, made)
        self._open[run_id(PIPELINE, Origin.DATA, version)] = name

    def _reaped(self) -> bool:
        try:
            return self._reap()
        except AzureError:
            return False  # checked again, until it takes too long

    def _reap(self) -> bool:
        """Take note of runs that ended; whether there were any."""
        ledger = self.stage.storage.get_container_client(LEDGER)
        marked = {blob.name.removeprefix("open/") for blob in ledger.list_blobs("open/")}
        gone = [run for run in self._open if run not in marked and self._has_ended(run)]
        for run in gone:
            del self._open[run]
            self.ended += 1
            self.effort.progress()
        return bool(gone)

    def _has_ended(self, run: str) -> bool:
        ledger = self.stage.storage.get_container_client(LEDGER)
        try:
            record = ledger.download_blob(f"runs/{run}").readall()
        except ResourceNotFoundError:
            return False  # its data was not seen yet
        return Run.model_validate_json(record).phase.ended


def part(effort: Effort) -> list[Outcome]:
    """Bring `effort.size` runs from new data to a live model; one outcome for each promise."""
    with Stage(switch_seconds=_SWITCH_SECONDS, on_disk=True, more_pipelines=_pipelines) as stage:
        load = _Load(stage, effort)
        eventually(stage.storage.get_container_client(LEDGER).exists, "the first tick")
        began = time.monotonic()
        with _Sampler(load) as sampler:
            load.run()
        took = time.monotonic() - began
        lost = load.lost()
        phases = Counter(str(run.phase) for run in load.runs())
    plan = again("load", "--seed", effort.seed, "--size", effort.size)
    ends = ", ".join(f"{number} {phase}" for phase, number in sorted(phases.items()))
    notes = f"{took / max(load.ended, 1):.2f} s per run over {_CUSTOMERS} customers; {ends}"
    violations = tuple(Violation(plan, what) for what in lost[:_SHOWN])
    nothing_lost = Outcome(NOTHING_LOST, len(load.uploaded), violations, notes)
    return [nothing_lost, *_flat(load, sampler, plan)]


def _flat(load: _Load, sampler: _Sampler, plan: str) -> list[Outcome]:
    growth = sampler.growth()
    if growth is None:
        few = "too few samples"
        return [Outcome(MEMORY, 0, notes=few), Outcome(FILES, 0, notes=few)]
    judged = load.ended >= _FEWEST_JUDGED
    first, last = sampler.samples[0], sampler.samples[-1]
    memory, files = growth
    cases = (
        (MEMORY, memory.exceeds(_MOST_KB_PER_RUN), f"KB {memory}", first.kilobytes, last.kilobytes),
        (FILES, files.exceeds(_MOST_FILES_PER_RUN), f"files {files}", first.files, last.files),
    )
    outcomes = []
    for promise, grows, slope, at_first, at_last in cases:
        measured = f"{slope}; {at_first} at first, {at_last} at last"
        violations = [Violation(plan, measured)] if grows and judged else []
        if sampler.workers > 1:
            what = f"{sampler.workers} workers, one after the other: nothing can be concluded"
            violations = [Violation(plan, what)]
        notes = measured if judged else f"{measured}; not judged: fewer than {_FEWEST_JUDGED} runs"
        trials = load.ended if judged else 0
        outcomes.append(Outcome(promise, trials, tuple(violations), notes))
    return outcomes
