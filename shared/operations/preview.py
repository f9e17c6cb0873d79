"""Previews the data and request of a pipeline's next run; nothing is sent or written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.compare import Compare
from shared.core.config.pattern import literal_prefix
from shared.core.config.pipeline import Pipeline
from shared.core.config.windows import Window
from shared.core.decisions.predictions import class_name, read_predictions
from shared.core.evaluation.forecast import Experience, experience_of, forecast_of
from shared.core.run.data_notes import notes_on_data, notes_on_pipeline
from shared.core.run.data_version import captured, key_of
from shared.core.run.record import Origin, Phase
from shared.core.service import service
from shared.core.versions import version_id
from shared.errors import (
    ConfigError,
    CorruptRecordError,
    NoSuchDataError,
    PermanentError,
    TransientError,
)
from shared.execution.context import Context
from shared.execution.fixed_holdouts import note_of_holdout
from shared.execution.inbox import FirstRecordedTimes
from shared.execution.inputs import JobInputs, expected_inputs, request_of
from shared.execution.run_factory import Opening, RunFactory
from shared.intake.requested_windows import notes_on, previewed_window, within
from shared.operations.history import MOST_SHOWN, History, RunFilter
from shared.telemetry import log

#: A larger holdout is not counted for a preview.
_LARGEST_HOLDOUT: Final = 8 * 1024 * 1024
#: Blobs that a preview shows.
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Match:
    """A blob that matches a pipeline, and its state."""

    blob: BlobVersion
    tokens: Mapping[str, str]
    state: str  #: `new`, `waiting`, `too small`, `older than the pipeline` or `run <id>`


@dataclass(frozen=True, slots=True)
class Preview:
    """The data and the request of the next run."""

    matches: tuple[Match, ...]
    matching: int
    request: Mapping[str, Any] | None
    notes: tuple[str, ...]
    window: Window | None = None  #: that the request is of


@service
class Previews:
    """Makes previews of pipelines."""

    context: Context
    run_factory: RunFactory
    inputs: JobInputs
    history: History

    def preview(self, pipeline: Pipeline, data: str | None, due: datetime | None = None) -> Preview:
        """Return which blobs match, and what request the newest (or `data`) would make.

        Args:
            pipeline: as it is configured now.
            data: the name of a blob; None for the newest that matches.
            due: the window that is due at this time, or was due last; None for the last one.

        Returns:
            The preview; signatures in its request are marked.

        Raises:
            NoSuchDataError: there is no such blob, or it does not match.
            InvalidRequestError: there is no window at `due`.
        """
        now = self.context.clock.now()
        window = previewed_window(pipeline, due, now)
        notes = notes_on_pipeline(pipeline)
        if window is None:
            return self._preview(pipeline, data, None, notes)
        filled = within(pipeline, window)
        notes = [*notes_on(window, pipeline, filled, now), *notes]
        return self._preview(filled, data, window, notes)

    def _preview(
        self, pipeline: Pipeline, data: str | None, window: Window | None, notes: list[str]
    ) -> Preview:
        least = pipeline.data.least if pipeline.data else 0
        found = self._matching(pipeline)
        newest = FirstRecordedTimes(self.context, pipeline).newest_first(found, _SHOWN, least)
        usable = [blob for blob in newest if data == blob.name or blob.size >= least]
        chosen = next((blob for blob in usable if data in (None, blob.name)), None)
        if data is not None and chosen is None:
            where = pipeline.data.blob if pipeline.data else "nothing: the pipeline takes no data"
            raise NoSuchDataError(f"no blob {data!r} that matches {where}")
        notes += notes_on_data(pipeline, chosen, usable)
        request = None
        if pipeline.data is not None and chosen is None:
            notes.append(f"no blob matches {pipeline.data.blob} yet")
            notes += self._on_gate(pipeline, ())
        else:
            request = self._request(pipeline, chosen, window, notes)
        return Preview(
            matches=tuple(self._match(pipeline, blob) for blob in newest[:_SHOWN]),
            matching=len(newest),
            request=request,
            notes=tuple(notes),
            window=window,
        )

    def _matching(self, pipeline: Pipeline) -> list[BlobVersion]:
        if pipeline.data is None:
            return []
        prefix = literal_prefix(pipeline.data.blob)
        there = self.context.data.listing(self.context.data_container, prefix)
        return [blob for blob in there if captured(pipeline, blob.name) is not None]

    def _match(self, pipeline: Pipeline, blob: BlobVersion) -> Match:
        try:
            state = self._state(pipeline, blob)
        except CorruptRecordError as exc:
            log.error("%s", exc)
            state = "a record of it cannot be read"
        return Match(blob, captured(pipeline, blob.name) or {}, state)

    def _state(self, pipeline: Pipeline, blob: BlobVersion) -> str:
        version = version_id(pipeline.name, blob)
        entry = self.context.ledger.versions.entry(version)
        if entry is not None:
            return f"run {entry.run_id}" if entry.run_id else (entry.note or "no run")
        if pipeline.data and blob.size < pipeline.data.least:
            return "too small"
        if self.context.ledger.inbox.has(key_of(pipeline, blob.name), pipeline.name, version):
            return "waiting"
        activated = self.context.ledger.activations.read(pipeline.name)
        if activated and blob.modified < activated.record.activated_at:
            return "older than the pipeline"
        return "new"

    def _request(
        self,
        pipeline: Pipeline,
        blob: BlobVersion | None,
        window: Window | None,
        notes: list[str],
    ) -> Mapping[str, Any] | None:
        run_id = names.run_id(pipeline.name, "preview")
        tokens = (captured(pipeline, blob.name) if blob else None) or {}
        tokens |= window.tokens() if window else {}
        blobs = (blob,) if blob else ()
        opening = Opening(run_id, Origin.MANUAL, "preview", blobs, tokens)
        run = self.run_factory.training(opening, pipeline, Phase.RECEIVED)
        if run.phase is Phase.REJECTED:
            notes.append(f"the run would be rejected: {run.reason}")
        notes += self._on_gate(run.config, run.key)
        notes += filter(None, [note_of_holdout(self.context, run)])
        inputs = expected_inputs(run, self.context.data_container)
        service = self.context.providers.training(pipeline.training)
        try:
            models = self.inputs.other_models(run)
            return service.preview(request_of(run.evolve(inputs=inputs, given_models=models)))
        except ConfigError:
            raise
        except PermanentError as exc:
            notes.append(f"the job cannot be made: {exc}")
        except TransientError as exc:
            notes.append(f"the request cannot be shown now: {exc}")
        return None

    def _on_gate(self, pipeline: Pipeline, key: tuple[str, ...]) -> list[str]:
        """Return how often rules will be unsure, as far as earlier models of the key say it."""
        gate = pipeline.gate
        if not any(rule.compares for rule in gate.rules):
            return []
        known = Experience(metrics=self._live_metrics(pipeline))
        notes: list[str] = []
        wanted = RunFilter(pipeline.name, key or None)
        for stored in self.history.page(wanted, MOST_SHOWN, None).stored:
            verdict = stored.record.verdict
            if verdict is not None and (found := experience_of(verdict)):
                known = replace(known, comparisons=found, run_id=stored.record.run_id)
                break
        if not known.comparisons and gate.compare is not None and gate.compare.holdout is not None:
            rows, positives = self._counted_holdout(gate.compare, gate.compare.holdout, notes)
            known = replace(known, rows=rows, positives=positives)
        return [*forecast_of(gate, known), *notes]

    def _counted_holdout(
        self, compare: Compare, path: str, notes: list[str]
    ) -> tuple[int | None, int | None]:
        """Return how many rows a holdout has, and how many positive ones, as far as it is known."""
        container, _, name = path.partition("/")
        try:
            content = self.context.data.read(container, name, _LARGEST_HOLDOUT)
            if content is None:
                notes.append(f"there is no holdout {path} yet")
                return None, None
            read = read_predictions(content, name, compare.id, (compare.label,))
        except (TransientError, PermanentError) as exc:
            log.info("the holdout %s is not counted: %s", path, exc)
            return None, None
        except ValueError as exc:
            said = self.context.redactor.known(str(exc))
            notes.append(f"the holdout {path} cannot be read: {said}")
            return None, None
        labels = [class_name(cell) for cell in read.columns[compare.label]]
        positives = labels.count(class_name(compare.positive))
        return len(labels), positives or None

    def _live_metrics(self, pipeline: Pipeline) -> Mapping[str, float]:
        """Return the recorded numbers of the model that serves, at the first endpoint with one."""
        for endpoint in pipeline.endpoints:
            try:
                serving = self.context.ledger.endpoint_states.resource(endpoint).serving
            except CorruptRecordError as exc:
                log.error("%s", exc)  # the rest is shown
                continue
            if serving is not None:
                return serving.metrics
        return {}
