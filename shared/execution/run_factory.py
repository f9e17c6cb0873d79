"""Makes the record of a new run; it is rejected if its data could never be trained on.

No other module constructs a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.kinds import uploaded_model
from shared.core.config.pipeline import Pipeline
from shared.core.run.parameters import parameters_for
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry
from shared.core.service import service
from shared.core.serving.references import ModelRef, ServingState
from shared.core.versions import newest_of, tie_of, tied_with
from shared.execution.context import Context

#: Characters with a meaning in URLs: services get the location of a blob unescaped.
_AMBIGUOUS: Final = frozenset("#?%\\")


@dataclass(frozen=True, slots=True)
class Opening:
    """The opening of a run, from which its id is derived (design rule 1)."""

    run_id: str
    origin: Origin
    cause: str  #: the opening in words, for operators
    blobs: tuple[BlobVersion, ...] = ()  #: the data of its manifest, or an operator's model
    tokens: Mapping[str, str] = field(default_factory=dict)
    """From the newest blob's name, and of the window."""
    tied: tuple[BlobVersion, ...] = ()  #: what else shares the Last-Modified of the newest blob
    model: ModelRef | None = None  #: that an operator named


@service
class RunFactory:
    """Makes the records of runs that are about to begin."""

    context: Context

    def training(self, opening: Opening, pipeline: Pipeline, phase: Phase | None = None) -> Run:
        """Return a run that trains a model, or that promotes an operator's model.

        It is rejected from the start where its data, or its endpoint, can never be used.

        Args:
            opening: what opens it.
            pipeline: as it is configured now.
            phase: in which it begins; None: as the pipeline and its pause say.

        Returns:
            The record, which is not stored yet.

        Raises:
            TransientError: whether the pipeline is paused cannot be read now.
        """
        newest, is_model = newest_of(opening.blobs), opening.origin is Origin.MODEL
        now = self.context.clock.now()
        tied = tied_with(newest, [*opening.blobs, *opening.tied]) if newest else ()
        run = Run(
            run_id=opening.run_id,
            pipeline=pipeline.name,
            origin=opening.origin,
            cause=opening.cause,
            config=pipeline,
            manifest=opening.blobs,
            parameters={},
            tokens=dict(opening.tokens),
            tie=tie_of(newest, tied) if newest else "",
            listed_at=self._listed_at(pipeline, opening.run_id),
            phase=Phase.TRAINED if is_model else phase or self._first_phase(pipeline),
            model=opening.model or (uploaded_model(newest) if is_model and newest else None),
            opened_at=now,
        )
        return _ready(run.evolve(parameters=parameters_for(pipeline, run)))

    def promoting(
        self,
        opening: Opening,
        config: Pipeline,
        model: ModelRef | None,
        of: Run | None = None,
        *,
        restores: ServingState | None = None,
        phase: Phase = Phase.PROMOTING,
    ) -> Run:
        """Return a run that promotes an existing model to one endpoint.

        Args:
            opening: what opens it, with the data that the model was trained on.
            config: the pipeline with only that endpoint.
            model: the model; None: the one of the endpoint's own service.
            of: the run that the model is of, where its age and parameters are kept.
            restores: the serving state that a run without a new model restores.
            phase: in which it begins.

        Returns:
            The record, which is not stored yet.
        """
        now = self.context.clock.now()
        return Run(
            run_id=opening.run_id,
            pipeline=config.name,
            origin=opening.origin,
            cause=opening.cause,
            config=config,
            manifest=opening.blobs,
            as_of=of.data_time if of else None,
            parameters=of.parameters if of else {},
            tokens=of.tokens if of else dict(opening.tokens),
            phase=phase,
            model=model,
            restores=restores,
            opened_at=now,
            history=(RunHistoryEntry(at=now, phase=phase, note=opening.cause),),
        )

    def _listed_at(self, pipeline: Pipeline, run_id: str) -> str:
        if not pipeline.training.wants_manifest:
            return ""
        return f"{self.context.models_container}/{names.manifest_path(pipeline.name, run_id)}"

    def _first_phase(self, pipeline: Pipeline) -> Phase:
        paused = pipeline.at_once and self.context.ledger.pauses.of(pipeline.name) is not None
        return Phase.RECEIVED if pipeline.at_once and not paused else Phase.WAITING


def _ready(run: Run) -> Run:
    """Return a run with the endpoints that its data chooses, or as it is rejected."""
    name = run.newest.name if run.newest else ""
    if shown := ambiguous(name):
        reason = f"the name of {name!r} holds {shown}, which the service would misread"
        return _rejected(run, reason, "upload the data under another name")
    window, config = run.window, run.config
    try:
        config = config.in_window(window) if window else config
    except ValueError as exc:
        return _rejected(run, str(exc), "correct the times of the window in the pipelines file")
    try:
        config = config.chosen_by(run.tokens)
    except ValueError as exc:
        reason = f"no endpoint can be chosen for {name!r}: {exc}"
        return _rejected(run, reason, "correct the path of the data, or the endpoint's URL")
    if config.uses_windows and run.origin is not Origin.MODEL:
        reason = "the texts of its pipeline hold times of windows, and the run has no window"
        return _rejected(run, reason, "leave it to the schedule, or name a due time")
    entry = RunHistoryEntry(at=run.opened_at, phase=run.phase, note=run.cause)
    parameters = parameters_for(config, run)
    return run.evolve(history=(entry,), config=config, parameters=parameters)


def _rejected(run: Run, reason: str, advice: str) -> Run:
    return run.moved_to(Phase.REJECTED, run.opened_at, reason, reason=reason, advice=advice)


def ambiguous(name: str) -> str:
    """Return the characters of a blob's name that a service would misread; often none."""
    bad = sorted(set(name) & _AMBIGUOUS)
    control = "control characters" if any(ord(c) < ord(" ") for c in name) else ""
    return " ".join(bad) or control
