"""Finds the inputs of a training job before its start, and checks them after its end.

Blobs that lie together in a folder are listed, as long as that is cheaper; the others, and
those that a listing did not reach, are requested one by one, several at once. Other blobs of the
container make no difference.

The bytes that were trained are the bytes recorded (design rule 6).
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from shared.core.blobs import BlobVersion, is_folded
from shared.core.config.compare import Way
from shared.core.config.pattern import fill
from shared.core.config.training import DATA, MANIFEST, OTHER_MODELS
from shared.core.decisions.comparison import Opponent
from shared.core.names import output_path
from shared.core.run.commands import Event
from shared.core.run.job_events import JobFailed
from shared.core.run.record import GivenModel, Run
from shared.core.service import service
from shared.core.serving.references import ModelRef
from shared.core.serving.state import ServedModel
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.ports.training import JobRequest, TrainingService
from shared.telemetry import log

#: How many blobs of one folder are requested one by one; for more the folder is listed.
_ONE_BY_ONE: Final = 20
#: A page of a listing takes about as long as this number of calls for one blob in sequence.
_PAGE: Final = 20
_AT_ONCE: Final = 8
#: How long a blob may become visible later than its marker.
_LATE: Final = timedelta(minutes=10)
#: Other models that a job scores, and what to do where its files are gone.
_GONE: Final[Mapping[Opponent, tuple[str, str]]] = MappingProxyType(
    {
        "live": (
            "the live model",
            "restore its files, or leave gate.compare out until another model serves",
        ),
        "anchor": (
            "the anchor",
            "restore its files, or pin another model: see POST /api/endpoints/…/pin",
        ),
    }
)
_COLUMNS: Final = ("Container", "Name", "ETag", "Size", "LastModified", "ContentMD5")


@service
class JobInputs:
    """Finds the blobs that a run trains on."""

    context: Context

    def found(self, run: Run) -> dict[str, BlobVersion]:
        """Return the inputs that are not simply the newest blob, as they are now.

        Writes the list of the run's data where a job wants one. Safe to repeat.

        Raises:
            TransientError: one of them is not there yet.
            PermanentError: a token would lead out of the container.
        """
        training = run.config.training
        listed = self._written_list(run) if training.wants_manifest else None
        found: dict[str, BlobVersion] = {}
        for name, source in training.sources.items():
            if source == MANIFEST and listed is not None:
                found[name] = listed
            elif source != DATA:
                found[name] = self._at(fill(source, run.tokens))
        return found

    def other_models(self, run: Run) -> tuple[GivenModel, ...]:
        """Return the live model and the anchor, as far as its job is given them to score.

        They are recorded with the job: another model may serve once its scores are compared.

        Raises:
            TransientError: the endpoint state, or a model, cannot be read now.
            PermanentError: the files of a model are gone.
        """
        endpoint, wanted = run.config.endpoint, _wanted(run)
        if endpoint is None or not wanted:
            return ()
        known = self.context.ledger.endpoint_states.resource(endpoint)
        found: dict[Opponent, ServedModel | None] = {
            "live": known.serving,
            "anchor": known.anchor.served if known.anchor else None,
        }
        given = tuple(
            GivenModel(against=against, run_id=served.run_id, model=served.model)
            for against, served in found.items()
            if against in wanted and served is not None and served.model is not None
        )
        self._require_there(run, given)
        return given

    def holdout(self, run: Run) -> BlobVersion | None:
        """Return the holdout that a run's job scores, as it is now; None: that is not known.

        Its content is not read. The job is made whether the app may look at it or not.

        Raises:
            TransientError: storage does not work now.
        """
        compare = run.config.gate.compare
        if compare is None or compare.way is not Way.TWO_FILES:
            return None
        try:
            return self.context.look_up_at(compare.holdout or "")
        except PermanentError as exc:
            log.warning("run %s: the holdout %s: %s", run.run_id, compare.holdout, exc)
            return None

    def _require_there(self, run: Run, given: Sequence[GivenModel]) -> None:
        """Refuse a model whose files were deleted before a job fails for it, after minutes."""
        service = self.context.providers.training(run.config.training)
        for one in given:
            if why := gone(service, one.model):
                what, advice = _GONE[one.against]
                text = f"the job cannot be given {what} (run {one.run_id}): {why}"
                raise PermanentError(text, advice=advice)

    def changed(self, run: Run) -> Event | None:
        """Return that an input was replaced during the job: there is no blob event for that."""
        for name, was in run.inputs.items():
            if was.path == run.listed_at:
                continue
            now = self.context.look_up(was)
            trusted = run.config.trusts_size
            if now is not None and not now.same_bytes_as(was, trust_size=trusted):
                return JobFailed(f"input {name} ({was.path}) was replaced while the job ran")
        return None

    def found_up(self, run: Run) -> Iterator[tuple[BlobVersion, BlobVersion | None]]:
        """Yield each blob that the run depends on, as it was recorded and as it is now."""
        blobs = run.current
        if not run.config.training.wants_manifest:
            blobs = (run.newest,) if run.newest else ()
        yield from self.now(blobs)

    def now(self, blobs: Sequence[BlobVersion]) -> Iterator[tuple[BlobVersion, BlobVersion | None]]:
        """Yield each of `blobs`, in order, with its present version; None where it is gone.

        Raises:
            TransientError: storage does not work now.
        """
        folders: dict[tuple[str, str], list[BlobVersion]] = {}
        for blob in blobs:
            folder = blob.name.rpartition("/")[0]
            folders.setdefault((blob.container, folder), []).append(blob)
        found: dict[str, BlobVersion | None] = {}
        left: list[BlobVersion] = []
        for (container, _), together in folders.items():
            if container == self.context.data_container and len(together) > _ONE_BY_ONE:
                listed, complete = self._listed([blob.name for blob in together])
                found |= {blob.path: listed.get(blob.name) for blob in together}
                left += [b for b in together if not complete and b.name not in listed]
            else:
                left += together
        found |= self._one_by_one(left)
        yield from ((blob, found[blob.path]) for blob in blobs)

    def _listed(self, names: Sequence[str]) -> tuple[dict[str, BlobVersion], bool]:
        """List the folder of these names; also return whether the whole of it was listed."""
        wanted, last = frozenset(names), max(names)
        prefix, container = _common(min(names), last), self.context.data_container
        found: dict[str, BlobVersion] = {}
        cursor = None
        for _ in range(len(names) // _PAGE):
            page = self.context.data.page(container, cursor, prefix)
            found |= {blob.name: blob for blob in page.items if blob.name in wanted}
            cursor = page.cursor
            if cursor is None:
                return found, True
            if len(found) == len(wanted) or (page.items and page.items[-1].name > last):
                break
        return found, False

    def _one_by_one(self, blobs: Sequence[BlobVersion]) -> dict[str, BlobVersion | None]:
        at_once = min(_AT_ONCE, self.context.limits.at_once, len(blobs))
        if at_once <= 1:
            return {blob.path: self.context.look_up(blob) for blob in blobs}
        with ThreadPoolExecutor(at_once) as pool:
            versions = pool.map(self.context.look_up, blobs)
            return {blob.path: now for blob, now in zip(blobs, versions, strict=True)}

    def _at(self, name: str) -> BlobVersion:
        if is_folded(name) or "" in name.split("/"):
            raise PermanentError(f"{name!r} is not a path inside the training data container")
        blob = self.context.data.head(self.context.data_container, name)
        if blob is None:
            raise TransientError(f"there is no blob {name!r} to train on yet", patience=_LATE)
        return blob

    def _written_list(self, run: Run) -> BlobVersion:
        container, _, name = run.listed_at.partition("/")
        return self.context.models.write(container, name, list_of(run))


def _common(one: str, other: str) -> str:
    """Return the common prefix of two names; all names sorted between them have it too."""
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return min(one, other, key=len) if at is None else one[:at]


def inputs_of(run: Run) -> dict[str, BlobVersion]:
    """Return the blob for each input of the run's job."""
    sources, newest = run.config.training.sources, run.newest
    simple = {name: newest for name, source in sources.items() if source == DATA and newest}
    return {**simple, **run.inputs}


def expected_inputs(run: Run, data_container: str) -> dict[str, BlobVersion]:
    """Return where each input of a job will be, for a preview.

    Args:
        run: the run.
        data_container: the container of the training data.
    """
    at = run.opened_at
    expected = inputs_of(run)
    for name, source in run.config.training.sources.items():
        path = f"{data_container}/{fill(source, run.tokens)}"
        path = run.listed_at if source == MANIFEST else path
        container, _, blob = path.partition("/")
        unknown = BlobVersion(
            container=container, name=blob, etag="", size=0, created=at, modified=at
        )
        expected.setdefault(name, unknown)
    return expected


def list_of(run: Run) -> bytes:
    """Return the list of a run's data as the job reads it: CSV, a line for each blob."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_COLUMNS)
    for blob in run.current:
        at = blob.modified.isoformat()
        lines.writerow((blob.container, blob.name, blob.etag, blob.size, at, blob.content_md5))
    return text.getvalue().encode()


def _wanted(run: Run) -> set[Opponent]:
    """Return which other models the job is given; a request may have set a parameter otherwise."""
    asked = run.parameters
    named = run.config.training.other_models.items()
    return {against for name, against in named if name not in asked or asked[name] in OTHER_MODELS}


def request_of(run: Run) -> JobRequest:
    """Return the request of a run's present attempt to the training service."""
    training = run.config.training
    return JobRequest(
        run_id=run.run_id,
        attempt=run.attempt,
        inputs=inputs_of(run),
        outputs={
            output: output_path(run.pipeline, run.run_id, run.attempt, file)
            for output, file in training.outputs.items()
        },
        parameters=run.parameters,
        training=training,
        replaced=sum(over.attempt == run.attempt for over in run.ended_attempts),
        pin=run.config.data is not None and run.config.data.pin == "copy",
        models={one.against: one.model for one in run.given_models if one.against in _wanted(run)},
    )


def gone(service: TrainingService, model: ModelRef) -> str:
    """Return why a model that was there once is gone; empty: it is there.

    Args:
        service: that trained it.
        model: the model.

    Raises:
        TransientError: whether it is there cannot be seen now.
    """
    try:
        service.model_again(model)
    except TransientError as exc:
        if exc.patience is None:
            raise
        return str(exc)
    except PermanentError as exc:
        return str(exc)
    return ""
