"""Checks each endpoint for drift, every hour and after the takeover of a claim.

A drift that two checks in a row find is reported. A run of its own then sets the model of the
endpoint state again, once. At a second drift that run waits for an operator (design rule 8).
While a parked run holds the endpoint, a drift is only reported: an operator decides on that run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
from shared.core.service import service
from shared.core.serving.drift import DriftCheck, DriftFinding, confirmed, drift_finding, repairable
from shared.core.serving.due_candidates import discarded, to_discard
from shared.core.serving.state import EndpointState, ServedModel
from shared.errors import ConflictError, OutcomeUnknownError, RelearnError, TransientError
from shared.execution.bulkheads import Bulkheads
from shared.execution.context import Context
from shared.execution.drift_schedule import EVERY
from shared.execution.run_factory import Opening, RunFactory
from shared.execution.run_writer import RunWriter
from shared.ledger.store import Stored
from shared.telemetry import Alert, log, report

#: Until the next check after one without a result: the endpoint is busy, or being updated.
_AGAIN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Case:
    """One drift check that is due, and the records of the expected live model."""

    name: str
    stored: Stored[DriftCheck]
    endpoint_state: EndpointState
    serving: ServedModel
    run: Run  #: that brought the model
    endpoint: Endpoint
    holder: str | None = None  #: a parked run that holds the endpoint

    @property
    def drift_check(self) -> DriftCheck:
        return self.stored.record


@service
class Drift:
    """Does the drift checks that are due. Safe for any number of workers at once.

    Args:
        context: the ledger, the services and the clock.
        factory: makes the runs that set a model again.
        writer: stores these runs.
        endpoints_of: returns the endpoints that are configured now for a run's pipeline and
            key; one that was removed from the file is not checked.
    """

    context: Context
    factory: RunFactory
    writer: RunWriter
    endpoints_of: Callable[[Run], tuple[Endpoint, ...]]

    def check(self, until: datetime) -> None:
        """Check every endpoint that is due, and open runs for those that have drifted.

        Endpoints that are due the longest come first, so that the next call continues where
        this one had no more time. Endpoints without an answer the last time come last.

        Args:
            until: when no further check may be begun.
        """
        clock = self.context.clock
        now = clock.now()
        due = sorted(
            (
                drift_check
                for drift_check in self.context.ledger.drift_checks.due()
                if drift_check.due <= now
            ),
            key=lambda drift_check: drift_check.due,
        )
        Bulkheads(
            due,
            lambda drift_check: drift_check.drift_check_id,
            lambda drift_check: self._check_one(drift_check.drift_check_id),
            lambda: clock.now() < until,
            self.context.limits.at_once,
            group_of={
                drift_check.drift_check_id: drift_check.host for drift_check in due
            }.__getitem__,
            suspect=lambda drift_check: drift_check.silent,
        ).run()

    def _check_one(self, name: str) -> bool:
        """Check one endpoint; False where the endpoint or the storage gave no answer."""
        try:
            return self._check(name)
        except ConflictError:
            log.info("drift check %s: another worker checks it", name)
        except (TransientError, OutcomeUnknownError) as exc:
            log.warning("drift check %s: the endpoint cannot be checked now: %s", name, exc)
            self._later(name, silent=True)
            return False
        except RelearnError as exc:
            log.warning("drift check %s: the endpoint cannot be checked now: %s", name, exc)
            self._later(name)
        except Exception:  # noqa: BLE001 -- one endpoint never stops the others
            log.exception("drift check %s: the endpoint cannot be checked", name)
            self._later(name)
        return True

    def _check(self, name: str) -> bool:
        stored = self.context.ledger.drift_checks.read(name)
        if stored is None:
            return True
        self._discard(stored.record)
        case = self._case(name, stored)
        if case is None:
            self._put(name, stored, EVERY)
        elif (holder := self._holder(case.endpoint_state)) is not None and holder.phase.updates:
            self._put(name, stored, _AGAIN)
        else:
            if holder is not None and holder.phase is Phase.PARKED:
                case = replace(case, holder=holder.run_id)
            seen = self.context.providers.serving(case.endpoint).update_state()
            finding = drift_finding(case.serving, seen)
            self._act(case, finding)
            return finding.decided
        return True

    def _discard(self, drift_check: DriftCheck) -> None:
        """Discard the candidates that are due at an endpoint, and drop those that are gone.

        Their runs may have ended. A failure is tried again in an hour.
        """
        ledger = self.context.ledger
        stored = ledger.endpoint_states.read(drift_check.ref.id)
        endpoint_state = stored.record if stored else None
        if stored is None or endpoint_state is None:
            return
        for candidate in to_discard(endpoint_state, self.context.clock.now(), self._is_open):
            (item,) = (one for one in endpoint_state.staged if one.candidate.name == candidate.name)
            run = ledger.runs.read(item.run_id)
            endpoint = run.record.config.endpoint if run else None
            if endpoint is None:
                log.warning("candidate %s stays: run %s is gone", candidate.name, item.run_id)
                continue
            try:
                gone = self.context.providers.serving(endpoint).discard(candidate)
            except RelearnError as exc:
                log.warning("candidate %s cannot be discarded now: %s", candidate.name, exc)
                continue
            if gone:
                endpoint_state = discarded(endpoint_state, candidate)
        if endpoint_state is not stored.record:
            ledger.endpoint_states.put(drift_check.ref.id, endpoint_state, stored.etag)

    def _is_open(self, run_id: str) -> bool:
        run = self.context.ledger.runs.read(run_id)
        return run is not None and not run.record.phase.ended

    def _case(self, name: str, stored: Stored[DriftCheck]) -> _Case | None:
        drift_check = stored.record
        endpoint_state = self.context.ledger.endpoint_states.read(drift_check.ref.id)
        serving = (
            endpoint_state.record.resource(drift_check.resource).serving if endpoint_state else None
        )
        if endpoint_state is None or serving is None:
            return None
        run = self.context.ledger.runs.read(serving.run_id)
        if run is None:
            text = "drift check %s: not checked, the record of run %s, whose model serves, is gone"
            log.warning(text, name, serving.run_id)
            return None
        wanted = drift_check.ref.id
        for endpoint in self.endpoints_of(run.record):
            if endpoint.resource_name == drift_check.resource and endpoint.ref.id == wanted:
                return _Case(name, stored, endpoint_state.record, serving, run.record, endpoint)
        return None

    def _holder(self, endpoint_state: EndpointState) -> Run | None:
        """Return the open run that has the endpoint lease; None where there is none."""
        if endpoint_state.endpoint_lease is None:
            return None
        other = self.context.ledger.runs.read(endpoint_state.endpoint_lease.run_id)
        return other.record if other is not None and not other.record.phase.ended else None

    def _act(self, case: _Case, finding: DriftFinding) -> None:
        if not finding.decided:
            self._put(case.name, case.stored, _AGAIN, {"silent": True})
        elif not finding.drift:
            self._put(case.name, case.stored, EVERY, {"reported": "", "repair": None})
        elif not confirmed(case.drift_check, finding):
            log.warning("%s: checking once more", _sentence(case, finding))
            suspected = {
                "suspicion": finding.drift,
                "drift_kind": finding.drift_kind,
                "suspect": finding.answers,
            }
            self._put(case.name, case.stored, self.context.limits.check_interval_min, suspected)
        else:
            repair = self._repaired(case, finding)
            found = {"reported": finding.drift, "repair": repair}
            self._put(case.name, case.stored, EVERY, found)

    def _repaired(self, case: _Case, finding: DriftFinding) -> str | None:
        """Return the run that sets the model again: an open one, or else a new one.

        None while a parked run holds the endpoint: an operator decides on that run first.
        """
        known = (
            self.context.ledger.runs.read(case.drift_check.repair)
            if case.drift_check.repair
            else None
        )
        if known is not None and not known.record.phase.ended:
            _report(case, f"{_sentence(case, finding)}; run {known.record.run_id} waits")
            return known.record.run_id
        refused = known is not None and known.record.phase is Phase.CANCELLED
        if known is not None and refused and case.drift_check.reported == finding.drift:
            log.warning("%s, as an operator accepted", _sentence(case, finding))
            return known.record.run_id
        if case.holder is not None:
            held = f"run {case.holder} is parked and holds the endpoint: retry or cancel it"
            _report(case, f"{_sentence(case, finding)}; {held}")
            return None
        wanted = case.serving.run_id
        _report(case, f"{_sentence(case, finding)}; the model of run {wanted} should serve")
        return self._repair(case, finding)

    def _repair(self, case: _Case, finding: DriftFinding) -> str:
        now, run, drift_check = self.context.clock.now(), case.run, case.drift_check
        # One run for each check that found it: two workers at once open the same run.
        noticed = (drift_check.ref.id, drift_check.resource, drift_check.next_check.isoformat())
        repairing = run_id(run.pipeline, "drift", *noticed)
        cause = f"{case.endpoint.name} has drifted: {finding.drift}"
        opening = Opening(repairing, Origin.DRIFT, cause, case.serving.manifest)
        config, served = run.config.only(case.endpoint), case.serving
        record = self.factory.promoting(
            opening, config, served.model, run, restores=served.target_model
        )
        asks = self.context.providers.serving(case.endpoint).plan.stages
        if asks or not repairable(case.endpoint_state.resource(drift_check.resource)):
            advice = "find out who else updates this endpoint, then retry the run, or cancel it"
            reason = f"{cause}, again after its model was set again"
            if asks:
                advice = (
                    "retry the run to set again what was recorded, or cancel it to leave the "
                    "endpoint as it is"
                )
                reason = f"{cause}: nothing is set again before an operator decides"
            parked = {"parked_in": Phase.PROMOTING, "reason": reason, "advice": advice}
            record = record.moved_to(Phase.PARKED, now, reason, **parked, found=finding.traffic)
        try:
            self.writer.create(record)
        except ConflictError:
            log.info("run %s was opened by another worker", repairing)
        return repairing

    def _later(self, name: str, *, silent: bool = False) -> None:
        try:
            if (stored := self.context.ledger.drift_checks.read(name)) is not None:
                self._put(name, stored, _AGAIN, {"silent": silent})
        except RelearnError as exc:
            log.info("drift check %s stays due: %s", name, exc)

    def _put(
        self,
        name: str,
        stored: Stored[DriftCheck],
        wait: timedelta,
        found: Mapping[str, object] | None = None,
    ) -> None:
        next_check = self.context.clock.now() + wait
        calm = {"next_check": next_check, "suspicion": "", "drift_kind": None, "suspect": None}
        calm |= {"silent": False}
        drift_check = stored.record.evolve(**(calm | dict(found or {})))
        self.context.ledger.drift_checks.put(name, drift_check, stored.etag)


def _report(case: _Case, text: str) -> None:
    pipeline, key = case.drift_check.pipeline, case.run.key
    report(Alert.DRIFT, text, pipeline=pipeline, run_id=case.serving.run_id, key=key)


def _sentence(case: _Case, finding: DriftFinding) -> str:
    return (
        f"endpoint {case.endpoint.name} of {case.drift_check.pipeline} has drifted: {finding.drift}"
    )
