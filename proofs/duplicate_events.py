"""Delivers each event 1 to 5 times, by trigger or queue, up to a day late, to two hosts."""

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from proofs.newest_runs import newest_runs
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.app import App
from shared.core.counting import counted
from shared.core.run.record import Origin, Phase
from shared.errors import RelearnError
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import DATA
from tests.unit.worlds import Observed

_MODES: Final[tuple[dict[str, Any], ...]] = (
    {"when_busy": "parallel"},
    {"when_busy": "newest"},
    {"when_busy": "queue"},
    {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "2m"}},
)
_DAY: Final = 24 * 60 * 60
_MOST_TIMES: Final = 5
_MOST_BLOBS: Final = 5


def part(effort: Effort) -> list[Outcome]:
    """Play `effort.size` random days of deliveries."""
    logging.disable(logging.CRITICAL)
    violations: list[Violation] = []
    events = 0
    for trial in effort.trials:
        chance = random.Random(f"{effort.seed}/{trial}")  # noqa: S311 -- no secret
        world, delivered = _played(chance)
        events += delivered
        plan = again("duplicates", "--seed", effort.seed, "--trial", trial)
        violations += [Violation(plan, wrong) for wrong in _problems(world)]
        effort.progress()
    promise = "events repeated, late, in any order, to two hosts: one run and one start each"
    return [
        Outcome(
            promise,
            len(effort.trials),
            tuple(violations),
            counted(events, "delivery", "deliveries"),
        )
    ]


def _played(chance: random.Random) -> tuple[Observed, int]:
    world = Observed(config={"pipeline": chance.choice(_MODES)}, faults=Faults({}))
    world.app.activations.refresh()
    begun = world.clock.now()
    names = [f"{number}.csv" for number in range(chance.randint(1, _MOST_BLOBS))]
    arrival = sorted((chance.choice((0, chance.random() * 900)), name) for name in names)
    due: list[tuple[float, str, bool]] = []
    for at, name in arrival:
        for _ in range(chance.randint(1, _MOST_TIMES)):
            late = chance.choice((0.0, chance.random() * 60, chance.random() * _DAY))
            due.append((at + late, name, chance.random() < 0.5))  # noqa: PLR2004 -- either host
    other = world._worker()  # noqa: SLF001 -- a second host over one storage account
    moments = sorted([(at, name, None) for at, name in arrival] + list(due), key=lambda e: e[0])
    for at, name, second in moments:
        while world.clock.now() < begun + timedelta(seconds=at):
            left = (begun + timedelta(seconds=at) - world.clock.now()).total_seconds()
            world.tick(max(1, min(int(left) + 1, 30 if world.open_runs() else 3600)))
            with suppress(RelearnError):
                other.poll.tick()
        if second is None:
            world.upload(name, f"a,b,label\n{name},2,0\n3,4,1\n".encode())
            continue
        if chance.random() < 0.3:  # noqa: PLR2004 -- the other host acts inside the call
            here = len(world.faults.sites) + chance.randint(0, 4)
            world.faults.plan[here] = Kind.PREEMPT
        with suppress(RelearnError):
            _deliver(other if second else world.app, name, by_queue=int(at) % 2 == 1)
    for _ in range(60):
        world.tick(60)
        if not world.open_runs() and not _waiting(world):
            break
    return world, len(due)


def _deliver(app: App, name: str, *, by_queue: bool) -> None:
    if not by_queue:
        app.blob_events.blob_arrived(name)
        return
    subject = f"/blobServices/default/containers/{DATA}/blobs/{name}"
    event = {"eventType": "Microsoft.Storage.BlobCreated", "subject": subject, "data": {}}
    app.storage_events.received(json.dumps(event).encode())


def _waiting(world: Observed) -> bool:
    return any(name.startswith("inbox/") for name in world.documents.rows)


def _problems(world: Observed) -> Iterator[str]:
    runs = [run for run in world.runs() if run.origin is Origin.DATA]
    held = Counter((blob.name, blob.etag) for run in runs for blob in run.manifest)
    arrived = Counter((blob.name, blob.etag) for blob in world.blobs.listing("training-data", ""))
    if held != arrived:
        yield f"manifests hold {dict(held)}, and {dict(arrived)} arrived"
    if len(world.starts) != len(set(world.starts)) or len(world.starts) > len(runs):
        yield f"{counted(len(world.starts), 'start')} for {counted(len(runs), 'run')}"
    for run in runs:
        if not run.phase.ended:
            yield f"run {run.run_id} is left {run.phase}: {run.reason or run.step_failure}"
    promoted = [run for run in runs if run.phase is Phase.PROMOTED]
    newest = newest_runs(promoted)
    if world.serving() not in [world.model_of(run) for run in newest]:
        yield "another model serves than that of the newest data"
