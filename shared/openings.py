"""Makes the record of a new run and begins it, or refuses what could never be trained on."""

from dataclasses import dataclass
from typing import Final

from shared.context import Context, log
from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.parameters import parameters_for
from shared.core.pattern import match
from shared.core.pipeline import Pipeline
from shared.core.run import Entry, Origin, Phase, Run
from shared.driver import Driver

#: What a URL means something else by: the service is told of blobs by unescaped location.
_AMBIGUOUS: Final = frozenset("#?%\\")


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens runs whose ids are known already (rule 1)."""

    context: Context
    driver: Driver

    def new(
        self,
        pipeline: Pipeline,
        run_id: str,
        blob: BlobVersion | None,
        origin: Origin,
        cause: str,
    ) -> Run:
        """Return the record of a run as it begins, for whichever customer its data names."""
        by_hand = origin is Origin.MODEL
        tokens = self._tokens_of(pipeline, blob, by_hand=by_hand)
        return Run(
            run_id=run_id,
            pipeline=pipeline.name,
            origin=origin,
            cause=cause,
            config=pipeline,
            manifest=(blob,) if blob else (),
            parameters=parameters_for(pipeline, blob, tokens),
            tokens=tokens,
            phase=Phase.TRAINED if by_hand else Phase.RECEIVED,
            model=blob if by_hand else None,
            opened_at=self.context.clock.now(),
        )

    def _tokens_of(
        self, pipeline: Pipeline, blob: BlobVersion | None, *, by_hand: bool
    ) -> dict[str, str]:
        if blob is None:
            return {}
        if not by_hand:
            return captured(pipeline, blob.name) or {}
        put = names.promoted_by_hand(blob.name)
        return dict(zip(pipeline.key_tokens, put[1] if put else (), strict=False))

    def begin(self, run: Run, *, fresh: bool = True) -> Run:
        """Store a new run and take its first steps, or end it where its data cannot be used.

        Raises:
            TransientError, OutcomeUnknown: the ledger does not work now; the poll goes on.
        """
        now = self.context.clock.now()
        name = run.newest.name if run.newest else ""
        bad = sorted(set(name) & _AMBIGUOUS)
        if bad or any(ord(c) < ord(" ") for c in name):
            shown = " ".join(bad) or "control characters"
            reason = f"the name of {name!r} holds {shown}, which the service would misread"
            return self._reject(run, reason, "upload the data under another name")
        try:
            config = run.config.chosen_by(run.tokens)
        except ValueError as exc:
            reason = f"no endpoint can be chosen for {name!r}: {exc}"
            return self._reject(run, reason, "correct the path of the data, or the endpoint's URL")
        entry = Entry(at=now, phase=run.phase, note=run.cause)
        begun = {"opened_at": now, "history": (entry,), "config": config}
        return self.driver.begin(run.model_copy(update=begun), fresh=fresh)

    def _reject(self, run: Run, reason: str, advice: str) -> Run:
        now = self.context.clock.now()
        ended = run.moved(Phase.REJECTED, now, reason, reason=reason, advice=advice)
        log.error("run %s rejected: %s; %s", run.run_id, reason, advice)
        return self.driver.begin(ended.model_copy(update={"opened_at": now}), fresh=True)


def captured(pipeline: Pipeline, name: str) -> dict[str, str] | None:
    """Return what the path of the data captures from `name`; None when it is not for us."""
    return match(pipeline.data.blob, name) if pipeline.data else None
