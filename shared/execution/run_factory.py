"""Makes the record of a new run and begins it, or refuses what could never be trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.pattern import match
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_models import manually_promoted, model_of
from shared.core.run.parameters import parameters_for
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry
from shared.core.versions import newest_of, tie_of, tied_with
from shared.errors import ConflictError
from shared.execution.context import Context
from shared.execution.driver import Driver

#: What a URL means something else by: the service is told of blobs by unescaped location.
_AMBIGUOUS: Final = frozenset("#?%\\")


@dataclass(frozen=True, slots=True)
class RunFactory:
    """Opens runs whose ids are known already (design rule 1)."""

    context: Context
    driver: Driver

    def new(
        self,
        pipeline: Pipeline,
        run_id: str,
        blobs: Sequence[BlobVersion],
        origin: Origin,
        cause: str,
        *,
        tied: Sequence[BlobVersion] = (),
    ) -> Run:
        """Return the record of a run as it begins, for whichever customer its data names.

        Args:
            pipeline: as it is configured now.
            run_id: its id.
            blobs: what it is for.
            origin: what opens it.
            cause: the same for people.
            tied: what else shares the Last-Modified of its newest data.
        """
        manual_model = origin is Origin.MODEL
        newest = newest_of(blobs)
        tokens = self._tokens_of(pipeline, newest, manual_model=manual_model)
        run = Run(
            run_id=run_id,
            pipeline=pipeline.name,
            origin=origin,
            cause=cause,
            config=pipeline,
            manifest=tuple(blobs),
            parameters={},
            tokens=tokens,
            tie=tie_of(newest, tied_with(newest, [*blobs, *tied])) if newest else "",
            listed_at=self._listed_at(pipeline, run_id),
            phase=Phase.TRAINED if manual_model else self._first_phase(pipeline),
            model=model_of(newest) if manual_model and newest else None,
            opened_at=self.context.clock.now(),
        )
        return run.evolve(parameters=parameters_for(pipeline, run))

    def _listed_at(self, pipeline: Pipeline, run_id: str) -> str:
        if not pipeline.training.wants_manifest:
            return ""
        return f"{self.context.models_container}/{names.manifest_path(pipeline.name, run_id)}"

    def _first_phase(self, pipeline: Pipeline) -> Phase:
        paused = pipeline.at_once and self.context.ledger.pauses.of(pipeline.name) is not None
        return Phase.RECEIVED if pipeline.at_once and not paused else Phase.WAITING

    def gathered(
        self, pipeline: Pipeline, run_id: str, blobs: Sequence[BlobVersion], cause: str
    ) -> Run:
        """Return the record of a run for what landed, ready to be stored."""
        run = self.new(pipeline, run_id, blobs, Origin.DATA, cause)
        # What is taken from the inbox waits its turn, even if there is nothing to wait for.
        return self._ready(run.evolve(phase=Phase.WAITING))

    def _tokens_of(
        self, pipeline: Pipeline, blob: BlobVersion | None, *, manual_model: bool
    ) -> dict[str, str]:
        if blob is None:
            return {}
        if not manual_model:
            return captured(pipeline, blob.name) or {}
        put = manually_promoted(blob.name)
        return dict(zip(pipeline.key_tokens, put[1] if put else (), strict=False))

    def store(self, run: Run) -> Run:
        """Store a new run and take no step: the poll drives it. Return it as it is stored.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        ready = self._ready(run)
        try:
            return self.context.ledger.runs.create(ready).record
        except ConflictError:
            found = self.context.ledger.runs.read(ready.run_id)
            return found.record if found else ready

    def begin(self, run: Run, *, fresh: bool = True) -> Run:
        """Store a new run and take its first steps, or end it where its data cannot be used.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now; the poll goes on.
        """
        ready = self._ready(run)
        return self.driver.begin(ready, fresh=fresh)

    def _ready(self, run: Run) -> Run:
        now = self.context.clock.now()
        name = run.newest.name if run.newest else ""
        if shown := ambiguous(name):
            reason = f"the name of {name!r} holds {shown}, which the service would misread"
            return self._rejected(run, reason, "upload the data under another name")
        try:
            config = run.config.chosen_by(run.tokens)
        except ValueError as exc:
            reason = f"no endpoint can be chosen for {name!r}: {exc}"
            cure = "correct the path of the data, or the endpoint's URL"
            return self._rejected(run, reason, cure)
        entry = RunHistoryEntry(at=now, phase=run.phase, note=run.cause)
        begun = {"opened_at": now, "history": (entry,), "config": config}
        return run.evolve(**begun)

    def _rejected(self, run: Run, reason: str, advice: str) -> Run:
        now = self.context.clock.now()
        ended = run.moved_to(Phase.REJECTED, now, reason, reason=reason, advice=advice)
        return ended.evolve(opened_at=now)


def ambiguous(name: str) -> str:
    """Return the characters of a blob's name that a service would misread; often none."""
    bad = sorted(set(name) & _AMBIGUOUS)
    control = "control characters" if any(ord(c) < ord(" ") for c in name) else ""
    return " ".join(bad) or control


def captured(pipeline: Pipeline, name: str) -> dict[str, str] | None:
    """Return what the path of the data captures from `name`; None when it is not for us."""
    return match(pipeline.data.blob, name) if pipeline.data else None
