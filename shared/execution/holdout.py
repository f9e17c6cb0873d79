"""Scores the rows of a holdout by a staged candidate and by the live model, before the verdict.

No endpoint lease is held: both models answer by their names at the endpoint, which is not changed.
Rows, scores and what they are compared with stay in the storage and out of records and texts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from shared.core.config.compare import SCORES, Compare
from shared.core.counting import counted
from shared.core.decisions.answers import scores_in
from shared.core.decisions.predictions import MOST_BYTES
from shared.core.evaluation.holdout import (
    Holdout,
    HoldoutProgress,
    RequestRows,
    as_lines,
    read_holdout,
)
from shared.core.names import pipeline_of
from shared.core.run.commands import Event
from shared.core.run.gate_events import EvidenceGathered
from shared.core.run.record import GateEvidence, Run
from shared.core.service import service
from shared.core.serving.probes import ProbeOutcome
from shared.core.serving.state import ServedModel
from shared.errors import ConflictError, PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.leased_endpoint import endpoint_of
from shared.ports.serving import ServingEndpoint

#: How long one step scores, and how many requests of each model it sends at most.
_STEP: Final = timedelta(seconds=15)
_MOST_REQUESTS: Final = 200
#: How often a request is tried again with fewer rows, where a model gave no scores or no answer.
_AGAIN: Final = 2
_FEWER: Final = 4
#: An answer is not repeated: it may quote a row.
_ITS_LOG: Final = "the log of its deployment may say why"


@service
class HoldoutSteps:
    """Scores holdouts, some rows at a time; the record keeps how far they are."""

    context: Context

    def score(self, run: Run, compare: Compare, live: ServedModel | None) -> Event | None:
        """Score some more rows; None once all are scored by the candidate and the live model.

        A step that was repeated, or whose event was lost, scores the same rows again.

        Args:
            run: the run; its candidate is staged.
            compare: how its model is compared.
            live: the model that serves, where the candidate is compared with one.

        Raises:
            TransientError: a model does not answer, or the storage does not work, now.
            PermanentError: the holdout cannot be used, or its requests are refused.
            CannotScoreError: the candidate cannot score it.
            ConflictError: another worker scores these rows.
        """
        if run.candidate is None:
            raise PermanentError(f"run {run.run_id} has no candidate to score a holdout with")
        there = self.context.look_up_at(compare.holdout or "")
        if there is None:
            raise _unusable(compare, "it is not there")
        names = _Names(run.candidate.name, live.run_id if live else "", _named(live))
        known = _known(run)
        if known is not None and not names.are_in(known):
            known = None
        if known is not None and known.is_complete and known.etag == there.etag:
            if self._scored(run, known) is not None:
                return None
            known = None
        holdout, content = self._read(compare, known)
        before = self._scored(run, known) if known and known.content == content else None
        if known is None or before is None:
            known, before = _begun(there.etag, content, names, holdout), b""
        if known.is_complete:
            return _gathered(run, known.evolve(etag=there.etag))
        serving = self.context.providers.serving(endpoint_of(run))
        found = _Pass(serving, compare, holdout, names, known, self._texts)
        found.go_on(self.context.clock.now, _smaller(run))
        if not found.lines:
            return _gathered(run, found.progress)
        self._write(run, compare, before, found)
        return _gathered(run, found.progress)

    def read(self, run: Run) -> bytes | None:
        """Return the predictions that were made of the holdout for a run, as far as recorded.

        None: they are not there, or another writer changed them. Raises TransientError.
        """
        known = _known(run)
        return self._scored(run, known) if known is not None and known.is_complete else None

    def _read(self, compare: Compare, known: HoldoutProgress | None) -> tuple[Holdout, str]:
        """Return the rows of the holdout, and the digest of its content."""
        content = self.context.read_at(compare.holdout or "", MOST_BYTES)
        if content is None:
            raise _unusable(compare, "it is not there")
        try:
            digest = _digest(content)
            facts = known.of if known is not None and known.content == digest else None
            return read_holdout(content, compare, facts), digest
        except ValueError as exc:
            raise _unusable(compare, self._texts(str(exc))) from exc

    def _scored(self, run: Run, known: HoldoutProgress) -> bytes | None:
        """Return the predictions up to the rows that the record has; None: they are not there."""
        if not known.rows:
            return b""
        models = self.context.models
        content = models.read(self.context.models_container, path_of(run), MOST_BYTES)
        part = content[: known.size] if content else b""
        return part if _digest(part) == known.predictions else None

    def _write(self, run: Run, compare: Compare, before: bytes, found: "_Pass") -> None:
        header = (*compare.kept_columns, *(SCORES if found.names.run_id else SCORES[:1]))
        content = (before or as_lines([header])) + as_lines(found.lines)
        if len(content) > MOST_BYTES:
            most = MOST_BYTES // 1024**2
            raise _unusable(compare, f"its predictions have more than {most} MB")
        self._require_mine(run)
        self.context.models.write(self.context.models_container, path_of(run), content)
        changes = {"size": len(content), "predictions": _digest(content)}
        found.progress = found.progress.evolve(**changes)

    def _require_mine(self, run: Run) -> None:
        """Refuse to overwrite the work of another worker since: its record says how much."""
        stored = self.context.ledger.runs.read(run.run_id)
        if stored is not None and _known(stored.record) != _known(run):
            raise ConflictError(f"another worker scores the holdout of run {run.run_id}")

    def _texts(self, text: str) -> str:
        return self.context.redactor.known(text)


def path_of(run: Run) -> str:
    """Return where the predictions are that the app makes for a run, in the models container."""
    return f"runs/{pipeline_of(run.run_id)}/{run.run_id}/predictions.csv"


@dataclass(frozen=True, slots=True)
class _Names:
    """Who scores: by their names at the endpoint."""

    candidate: str
    run_id: str  #: of the live model; empty: there is none to compare with
    live: str  #: empty: any live model

    def are_in(self, known: HoldoutProgress) -> bool:
        """Whether these are the models that scored the rows so far."""
        return (known.candidate, known.live) == (self.candidate, self.run_id)


class CannotScoreError(ValueError):
    """A candidate cannot score a holdout; the message says why."""


class _NoScoresError(Exception):
    """A model gave no scores for some rows."""

    def __init__(self, seen: ProbeOutcome, detail: str, rows: int) -> None:
        super().__init__(detail)
        self.seen = seen
        self.rows = rows


class _MissingError(Exception):
    """The deployment of the live model was deleted."""


@dataclass
class _Pass:
    """One step's requests, and what came of them."""

    serving: ServingEndpoint
    compare: Compare
    holdout: Holdout
    names: _Names
    progress: HoldoutProgress
    redacted: Callable[[str], str]
    lines: list[Sequence[str]] = field(default_factory=list)

    def go_on(self, now: Callable[[], datetime], smaller: int) -> None:
        """Score rows until the time of the step is over.

        Args:
            now: the clock.
            smaller: by how much requests are smaller than usual in this step.

        Raises:
            TransientError: the first request of the step was not answered.
            PermanentError: the requests are refused.
            CannotScoreError: the candidate gives no scores.
        """
        until = now() + _STEP
        most = max(self.progress.batch // smaller, 1)
        batches = self.holdout.batches(self.progress.rows, most)
        for number, batch in enumerate(batches):
            if number == _MOST_REQUESTS or (number and now() >= until):
                break
            try:
                self._take(batch)
            except _NoScoresError as exc:
                self._without_scores(exc)
                break
            except TransientError:
                if not self.lines:
                    raise
                break

    def _take(self, batch: RequestRows) -> None:
        mine = self._scores(batch, self.names.candidate)
        theirs: Sequence[str] | None = None
        if self.names.run_id:
            theirs = self._of_live(batch)
        for at, (kept, score) in enumerate(zip(batch.kept, mine, strict=True)):
            other = () if theirs is None else (theirs[at],)
            self.lines.append((*kept, score, *other))
        rows = self.progress.rows + len(mine)
        self.progress = self.progress.evolve(rows=rows, failures=0)

    def _of_live(self, batch: RequestRows) -> Sequence[str]:
        """Return the scores of the live model; empty ones where it cannot score these rows."""
        if not self.progress.cannot:
            try:
                return self._scores(batch, self.names.live)
            except _MissingError as exc:
                self.progress = self.progress.evolve(cannot=str(exc))
            except _NoScoresError as exc:
                if self.progress.failures < _AGAIN:
                    raise
                why = f"the live model cannot score the holdout: {exc}; {_ITS_LOG}"
                self.progress = self.progress.evolve(cannot=why)
        return [""] * len(batch.kept)

    def _scores(self, batch: RequestRows, name: str) -> Sequence[str]:
        found = self.serving.answer(batch.request, name)
        if found.is_missing and name == self.names.live:
            raise _MissingError(f"its deployment {name} is not there any more")
        if found.seen is ProbeOutcome.NO_ANSWER:
            raise TransientError(f"{name or 'the endpoint'} does not answer: {found.detail}")
        if found.seen is not ProbeOutcome.GOOD:
            raise _NoScoresError(found.seen, found.detail, len(batch.kept))
        if name and found.answered_by not in ("", self.redacted(name)):
            raise TransientError(f"{found.answered_by} answered in place of {name}")
        try:
            return scores_in(
                found.answer,
                len(batch.kept),
                self.compare.candidate,
                self.compare.positive,
                self.holdout.facts.position,
            )
        except ValueError as exc:
            said = self.redacted(str(exc))
            raise _NoScoresError(ProbeOutcome.BROKEN, said, len(batch.kept)) from exc

    def _without_scores(self, exc: _NoScoresError) -> None:
        """Try again with fewer rows; after that, the candidate cannot score them."""
        known = self.progress
        if known.failures < _AGAIN:
            fewer = max(exc.rows // _FEWER, 1)  # long rows: a request had fewer than the most
            self.progress = known.evolve(failures=known.failures + 1, batch=fewer)
            return
        sent = counted(len(self.holdout.sent), "column")
        if exc.seen is ProbeOutcome.REFUSED:
            advice = "correct gate.compare.request, or the columns of the holdout"
            text = f"the endpoint refuses {counted(exc.rows, 'row')} of {sent}: {exc}"
            raise PermanentError(f"{text}: {advice}", advice=advice)
        why = f"the candidate cannot score the holdout, of which it was sent {sent}: {exc}"
        raise CannotScoreError(f"{why}; {_ITS_LOG}")


def _begun(etag: str, content: str, names: _Names, holdout: Holdout) -> HoldoutProgress:
    return HoldoutProgress(
        etag=etag, content=content, candidate=names.candidate, live=names.run_id, of=holdout.facts
    )


def _known(run: Run) -> HoldoutProgress | None:
    return run.evidence.holdout if run.evidence else None


def _smaller(run: Run) -> int:
    """Return by how much requests are smaller: a model may not answer all rows in time."""
    again = run.step_failure.count - 1 if run.step_failure else 0
    smaller: int = _FEWER ** min(max(again, 0), _AGAIN)
    return smaller


def _named(live: ServedModel | None) -> str:
    return live.candidate if live else ""


def _gathered(run: Run, progress: HoldoutProgress) -> EvidenceGathered:
    evidence = run.evidence or GateEvidence()
    return EvidenceGathered(evidence.evolve(holdout=progress))


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:32]


def _unusable(compare: Compare, why: str) -> PermanentError:
    advice = "correct the holdout"
    return PermanentError(f"the holdout {compare.holdout}: {why}: {advice}", advice=advice)
