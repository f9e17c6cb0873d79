"""The promises that must hold at the end of every random sequence."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from proofs.faulty_world import FaultyWorld
from proofs.newest_runs import newest_runs
from shared.core.config.studio_types import blob_of
from shared.core.run.concurrency import releases_slot
from shared.core.run.record import Origin, Phase, Run
from tests.functions.echo_lives import read_all

#: A blob that no event is ever delivered for.
APPEARED: Final = "d.csv"
PROMISES: Final = (
    "each data version is in exactly one run of its pipeline",
    "each attempt starts at most one job",
    "every run ends, or is parked with a reason",
    "the endpoint state says what serves, and no older data replaced it",
    "no record is lost or unreadable, no open marker and no slot is left behind",
    "no secret is in a record or an answer",
    "what was promoted was promoted by the gate that its record names",
    "a mistake in the pipelines file stops no pipeline that worked before",
    "a record that cannot be read is never overwritten",
    "a blob that appears with an old time has a run within a day after all faults are over",
)


def problems(world: FaultyWorld, *, rolled_back: bool) -> Iterator[str]:
    """Yield each promise that does not hold at the end of a sequence.

    Args:
        world: in which every fault is over.
        rolled_back: whether an operator chose the model that serves.
    """
    runs = world.runs()
    of_data = [run for run in runs if run.origin is Origin.DATA]
    counted = Counter(
        (run.pipeline, blob.name, blob.etag) for run in of_data for blob in run.manifest
    )
    if twice := [version for version, number in counted.items() if number > 1]:
        yield f"{PROMISES[0]}: {twice} are in two"
    taken = world.trained()
    for blob in world.blobs.listing("training-data", ""):
        if blob.content_md5 not in taken:
            promise = PROMISES[9 if blob.name == APPEARED else 0]
            yield f"{promise}: {blob.name} is in none"
    starts = Counter(world.starts)
    jobs = [job for run in runs for job in (run.job, *(e.job for e in run.ended_attempts))]
    unknown = set(starts) - set(jobs) if not world.deleted() else set()
    if any(number > 1 for number in starts.values()) or unknown:
        yield f"{PROMISES[1]}: {dict(starts)} for jobs {jobs}"
    for run in runs:
        parked = run.phase is Phase.PARKED and run.reason and run.advice
        if not run.phase.ended and not parked:
            yield f"{PROMISES[2]}: {run.run_id}, {run.phase}: {run.reason or run.step_failure}"
        if run.phase is Phase.PROMOTED and _lacks_approval(run):
            yield f"{PROMISES[6]}: {run.run_id} was not approved"
    yield from _about_serving(world, rolled_back=rolled_back)
    yield from _left_behind(world)
    answers = read_all(world, world.pipeline.endpoints[0].name)
    shown = "\n".join((world.everything_stored(), *answers))
    if any(secret in shown for secret in (*world.environment.values(), "sig=")):
        yield PROMISES[5]
    if world.lost:
        yield f"{PROMISES[8]}: {world.lost}"


def _lacks_approval(run: Run) -> bool:
    """Whether nobody approved a model that needed it, as configured or because it is unsure."""
    unsure = run.verdict is not None and run.verdict.needs_approval
    asked = unsure or run.config.gate.approval == "required"
    approved = run.approval is not None and run.approval.answer == "approved"
    return asked and not approved and not run.origin.repeats


def _about_serving(world: FaultyWorld, *, rolled_back: bool) -> Iterator[str]:
    if not any(name.startswith("endpoints/") for name in world.documents.rows):
        return
    endpoint_state = world.endpoint_state()
    (known,) = endpoint_state.resources.values()
    parked = any(run.phase is Phase.PARKED for run in world.runs())
    if known.serving is None or parked or endpoint_state.endpoint_lease is not None:
        return
    model = known.serving.model
    blob = blob_of(model) if model else None
    content = world.blobs.read(blob.container, blob.name, 10**6) if blob else None
    if content is not None and world.serving() != content:
        yield f"{PROMISES[3]}: not the model of {known.serving.run_id} serves"
    promoted = [
        run for run in world.runs() if run.phase is Phase.PROMOTED and not run.origin.repeats
    ]
    serving = next(run for run in world.runs() if run.run_id == known.serving.run_id)
    if not rolled_back and promoted and serving not in newest_runs([*promoted, serving]):
        yield f"{PROMISES[3]}: {serving.run_id} is older than a promoted run"


def _left_behind(world: FaultyWorld) -> Iterator[str]:
    open_ = {run.run_id for run in world.runs() if not run.phase.ended}
    for name in world.open_runs():
        if name.removeprefix("open/") not in open_:
            yield f"{PROMISES[4]}: {name}"
    for name in world.documents.rows:
        if name.startswith("inbox/"):
            yield f"{PROMISES[4]}: {name}"
    records = {run.run_id: run for run in world.runs()}
    pipelines = world.app.pipelines
    for run_queue in (
        run_queue for name in sorted(world.names) for run_queue in pipelines.status(name).run_queues
    ):
        for holder in run_queue.holders:
            if holder in records and not releases_slot(records[holder]):
                yield f"{PROMISES[4]}: {holder} keeps its slot"
