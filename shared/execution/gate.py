"""Holds a trained model against the gate's rules, with what the evaluation says of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.evaluation.gate import judge, refused
from shared.core.evaluation.report import choose_row, read_evaluation
from shared.core.names import MODEL_SUFFIX, output_path
from shared.core.run.control_events import Event
from shared.core.run.gate_events import NOBODY, Approved, Judged, Rejected
from shared.core.run.machine import expires_at
from shared.core.run.record import Origin, Run
from shared.core.serving.state import Resource, endpoint_state_id
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.models import ModelSteps, left_before

#: The evaluation of a service that names no output for it (azure-machine-learning-v2 §2.8).
BESIDE: Final = "evaluation.json"
_LONGEST: Final = 1024 * 1024
#: An output that a job is said to have written may be seen later than its model.
_LATE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class GateSteps:
    """Judges runs. Nothing is changed outside the ledger but a copy of the evaluation."""

    context: Context

    def judge(self, run: Run) -> Event:
        """Return the verdict on the run's model.

        Raises:
            TransientError: the evaluation cannot be read now.
        """
        rules = run.config.gate.rules
        if not rules:
            return Judged(None)
        manual_model = run.origin is Origin.MODEL
        try:
            path, content, why = self._evaluation(run)
        except TransientError:
            raise
        except PermanentError as exc:
            return Judged(refused(f"the evaluation cannot be read: {exc}"))
        if content is None and manual_model:
            # Nothing is known of it: a person decides, and is told so.
            return Judged(None, f"there is no evaluation at {path}, beside a model put by hand")
        if content is None:
            return self._missing(run, path, why)
        try:
            # Messages name columns and values, cut short: no secret may be in them before.
            rows = read_evaluation(content, path, self.context.redactor.known)
            row = choose_row(rows, run.config.gate.row)
        except ValueError as exc:
            return Judged(refused(f"the evaluation {path} cannot be judged: {exc}"))
        first = run.config.gate.first_model == "allow"
        verdict = judge(rules, row, list(self._live(run)), first_allowed=first)
        return Judged(verdict)

    def _missing(self, run: Run, path: str, why: str) -> Event:
        now = self.context.clock.now()
        if now - (run.step_failure.since if run.step_failure else now) < _LATE:
            text = f"there is no evaluation at {path} yet" + (f": {why}" if why else "")
            raise TransientError(text, patience=2 * _LATE)
        folder = path.rpartition("/")[0] + "/"
        there = [
            blob.name.removeprefix(folder)
            for blob in self.context.models.listing(self.context.models_container, folder)
        ]
        found = why or f"there is {', '.join(there[:20]) or 'nothing'}"
        return Judged(refused(f"there is no evaluation at {path}; {found}"))

    def expire(self, run: Run) -> Event:
        """Return the answer that the configuration gives where no person did."""
        why = f"no answer until {expires_at(run).isoformat(timespec='seconds')}"
        if run.config.gate.on_expiry == "approve":
            return Approved(NOBODY, why)
        return Rejected(NOBODY, why)

    def _live(self, run: Run) -> Iterator[dict[str, float]]:
        """Yield the numbers of the models that serve now, of each endpoint that has another."""
        for endpoint in run.config.endpoints:
            stored = self.context.ledger.endpoint_state(endpoint_state_id(endpoint.update))
            known = stored.record.resource(endpoint.place) if stored else Resource()
            if known.serving is not None and known.serving.model != run.model_for(endpoint):
                yield known.serving.metrics

    def _evaluation(self, run: Run) -> tuple[str, bytes | None, str]:
        """Return where the evaluation is, its content if it is there, and else why it is not."""
        container, models = self.context.models_container, self.context.models
        if run.origin is Origin.MODEL and run.model is not None:
            path = f"{run.model.name.removesuffix(MODEL_SUFFIX)}.{BESIDE}"
            return path, models.read(container, path, _LONGEST), ""
        path = self._left_by_the_job(run)
        if why := left_before(models.head(container, path), run):
            return path, None, why
        return path, models.read(container, path, _LONGEST), ""

    def _left_by_the_job(self, run: Run) -> str:
        output = run.config.gate.metrics
        file = BESIDE if output is None else run.config.training.outputs.get(output)
        if file is not None:
            return output_path(run.pipeline, run.run_id, run.attempt, file)
        return ModelSteps(self.context).fetched(run, str(output))
