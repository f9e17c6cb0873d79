"""Notes for operators about the data of a pipeline or of a run."""

from collections.abc import Sequence
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.training import DATA, MANIFEST
from shared.core.counting import counted
from shared.core.run.record import Origin, Run
from shared.core.versions import tie_of, tied_with

#: Runs that train on data of ours.
_TRAIN: Final = (Origin.DATA, Origin.SCHEDULE, Origin.MANUAL)


def notes_on_pipeline(pipeline: Pipeline) -> list[str]:
    """Return what follows from the configuration of a pipeline."""
    data, sources = pipeline.data, pipeline.training.sources.values()
    notes = []
    if data and data.has_batch_window and DATA in sources and MANIFEST not in sources:
        notes.append(
            "settle with {data}: of a burst only the newest blob is trained on, so each blob must "
            "be a full snapshot; give an input {data.manifest} to train on all of them"
        )
    newest = pipeline.when_busy == "newest" and data is not None and data.opens_runs
    if newest and not pipeline.training.wants_manifest:
        notes.append(
            "when_busy: newest: blobs that arrive while a run is open share the next run, which "
            "trains on the newest of them"
        )
    if data and not data.opens_runs:
        notes.append("opens_runs: false: an arrival by itself starts nothing")
    if pipeline.uses_windows:
        notes.append("each window has a run of its own, when it is due, on the data of its path")
    if pipeline.schedule is not None and pipeline.training.wants_manifest:
        notes.append(
            "schedule with {data.manifest}: a run by schedule is of the newest blob of its key, "
            "and the list names only that one"
        )
    notes += [note for endpoint in pipeline.endpoints for note in endpoint.notes]
    return notes


def notes_on_data(
    pipeline: Pipeline, chosen: BlobVersion | None, blobs: Sequence[BlobVersion]
) -> list[str]:
    """Return what follows from the blobs that match a pipeline.

    Args:
        pipeline: whose data they are.
        chosen: the one that a run would train on.
        blobs: all of them.
    """
    tie = tie_of(chosen, tied_with(chosen, blobs)) if chosen else ""
    return [note for note in (tie, _without_md5(pipeline, blobs)) if note]


def notes_on_run(run: Run) -> list[str]:
    """Return what follows from the data of a run."""
    unknown = _without_md5(run.config, run.current) if run.origin in _TRAIN else ""
    return [note for note in (run.tie, unknown) if note]


def _without_md5(pipeline: Pipeline, blobs: Sequence[BlobVersion]) -> str:
    """Return what cannot be known of blobs that have no MD5; empty where all have one."""
    bare = sum(blob.content_md5 is None for blob in blobs)
    if not bare:
        return ""
    which = f"{blobs[0].path} has"
    if len(blobs) > 1:
        which = f"{bare} of {counted(len(blobs), 'blob')} have"
    follows = (
        "it counts as a metadata-only update and opens no run, so that a blob that is written "
        "over by as many other bytes is missed (data.without_md5: ignore)"
        if pipeline.trusts_size
        else "it is trained on, also where only metadata changed (data.without_md5: train)"
    )
    return (
        f"{which} no Content-MD5, as after uploads in blocks: where the ETag changes while name, "
        "size and creation time stay, it cannot be known whether the bytes changed, and "
        f"{follows}"
    )
