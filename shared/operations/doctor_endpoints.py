"""The checks of endpoints: each is read and probed, and compared with its endpoint state.

A holdout whose rows would be sent to an endpoint is read, and an anchor is looked for. Nothing is
changed: a probe scores the rows that a drift check scores each hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from shared.core.config.compare import Compare, Way
from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.decisions.predictions import MOST_BYTES
from shared.core.evaluation.holdout import read_holdout
from shared.core.findings import Finding, not_checked, ok, wrong
from shared.core.run.record import Run
from shared.core.serving.drift import drift_finding
from shared.core.serving.probes import EndpointCheck, ProbeOutcome, UpdateProgress
from shared.core.serving.state import EndpointState
from shared.execution.context import Context
from shared.execution.inputs import gone
from shared.intake.catalogue import Catalogue
from shared.ports.checks import Check

PART: Final = "endpoints"
_ADVICE: Final = (
    "see GET /api/endpoints/{pipeline}/{endpoint}; correct the endpoint's URL or key in "
    "pipelines.yaml"
)
_HOLDOUT_ADVICE: Final = (
    "put the file there, correct it, or correct gate.compare; the app's identity needs the role "
    "Storage Blob Data Reader on its container"
)
_ANCHOR_ADVICE: Final = (
    "restore its files, or pin another model: POST /api/endpoints/<pipeline>/<endpoint>/pin; "
    "MODEL_RETENTION_DAYS deletes the files of an anchor too"
)
#: The largest holdout that is read to be checked.
_MOST_READ: Final = 8 * 1024**2
_PROBE: Final = {
    ProbeOutcome.REFUSED: "the probe is refused",
    ProbeOutcome.NO_ANSWER: "the probe gets no usable answer",
    ProbeOutcome.BROKEN: "it does not score",
}
_DRIFT: Final = (
    "find out who else updates this endpoint; the drift check of the hour opens a run about it, "
    "which GET /api/runs shows"
)


@dataclass(frozen=True, slots=True)
class CheckedEndpoint:
    """An endpoint as it is configured now, of one key where it has keys."""

    pipeline: str
    endpoint: Endpoint
    key: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the report."""
        key = f" ({'/'.join(self.key)})" if self.key else ""
        return f"{self.pipeline}/{self.endpoint.name}{key}"


def holdout_checks(context: Context, catalogue: Catalogue) -> Iterator[Check]:
    """Yield the checks of holdouts: one that is scored at an endpoint is read.

    Args:
        context: the storage.
        catalogue: the pipelines in use.
    """
    for name, pipeline in catalogue.pipelines.items():
        compare = pipeline.gate.compare
        if compare is not None and compare.holdout is not None:
            scored = compare.way is Way.SCORED
            read = partial(_read_holdout if scored else _seen_holdout, context, compare)
            what = f"{name}: holdout {compare.holdout}"
            yield Check(PART, what, context.data.account, read, _HOLDOUT_ADVICE)


def anchor_checks(
    context: Context, catalogue: Catalogue, known: CheckedEndpoint
) -> Iterator[Check]:
    """Yield the check of the anchor of an endpoint, where the gate compares with it.

    Args:
        context: the ledger and the services.
        catalogue: the pipelines in use.
        known: the endpoint.
    """
    pipeline = catalogue.pipelines[known.pipeline]
    compare = pipeline.gate.compare
    if compare is not None and compare.anchor is not None:
        seen = partial(_anchor, context, pipeline, known)
        yield Check(PART, f"{known.name}: anchor", known.name, seen, _ANCHOR_ADVICE)


def _anchor(context: Context, pipeline: Pipeline, known: CheckedEndpoint) -> Finding:
    there = context.ledger.endpoint_states.resource(known.endpoint).anchor
    if there is None:
        return ok("no model is pinned yet: the next one that is promoted is")
    served = there.served
    if served.model is not None:
        service = context.providers.training(pipeline.training)
        if why := gone(service, served.model):
            return wrong(f"the model of run {served.run_id} is gone: {why}", _ANCHOR_ADVICE)
    days = (context.clock.now() - served.order).days
    age = f"the model of run {served.run_id} is {counted(days, 'day')} old, and there"
    return ok(f"{age}; MODEL_RETENTION_DAYS has to be 0, or longer than it stays pinned")


def _read_holdout(context: Context, compare: Compare) -> Finding:
    path = compare.holdout or ""
    there = context.look_up_at(path)
    if there is None:
        return wrong("there is no such blob", _HOLDOUT_ADVICE)
    if there.size > _MOST_READ:
        many = f"{there.size / 1024**2:.0f} MB"
        if there.size > MOST_BYTES:
            return wrong(f"it has {many}, and at most 64 MB are read", "use a sample of its rows")
        return ok(f"it is there; its {many} were not read")
    content = context.read_at(path, _MOST_READ)
    try:
        found = read_holdout(content or b"", compare)
    except ValueError as exc:
        return wrong(context.redactor.known(str(exc)), _HOLDOUT_ADVICE)
    rows, sent = counted(found.facts.rows, "row"), counted(len(found.sent), "column")
    return ok(f"{rows}; {sent} of each {they(len(found.sent), 'is', 'are')} sent to the models")


def _seen_holdout(context: Context, compare: Compare) -> Finding:
    there = context.look_up_at(compare.holdout or "")
    if there is None:
        return wrong("there is no such blob", _HOLDOUT_ADVICE)
    return ok(f"it is there, of {there.modified.isoformat(timespec='seconds')}; jobs score it")


def configured(catalogue: Catalogue) -> Iterator[CheckedEndpoint]:
    """Yield the endpoints that are the same for each key, in the order of the file."""
    for name, pipeline in catalogue.pipelines.items():
        for endpoint in pipeline.endpoints:
            if not endpoint.tokens:
                yield CheckedEndpoint(name, endpoint)


def by_key(context: Context, catalogue: Catalogue, most: int) -> list[CheckedEndpoint]:
    """Return endpoints of keys, of those that Relearn has promoted a model to.

    Args:
        context: the ledger.
        catalogue: the pipelines in use.
        most: how many are returned; they are the first by their id.

    Raises TransientError, PermanentError.
    """
    ledger, found = context.ledger, list[CheckedEndpoint]()
    for due in sorted(ledger.drift_checks.due(), key=lambda due: due.drift_check_id):
        if len(found) >= most:
            break
        check = ledger.drift_checks.read(due.drift_check_id)
        state = ledger.endpoint_states.read(check.record.ref.id) if check else None
        if check is None or state is None:
            continue
        serving = state.record.resource(check.record.resource).serving
        run = ledger.runs.read(serving.run_id) if serving else None
        pipeline = catalogue.pipelines.get(run.record.pipeline) if run else None
        if run is None or pipeline is None:
            continue
        chosen = {endpoint.name for endpoint in pipeline.endpoints if endpoint.tokens}
        found += [
            CheckedEndpoint(run.record.pipeline, endpoint, run.record.key)
            for endpoint in catalogue.endpoints_of(run.record)
            if endpoint.name in chosen
            and endpoint.ref.id == check.record.ref.id
            and endpoint.resource_name == check.record.resource
        ]
    return found


def check_of(context: Context, known: CheckedEndpoint, needs: tuple[str, ...] = ()) -> Check:
    """Return the check of one endpoint.

    Args:
        context: the ledger and the services.
        known: the endpoint.
        needs: what it needs.
    """
    run = partial(_checked, context, known)
    return Check(PART, known.name, known.endpoint.probed_at, run, _ADVICE, needs=needs)


def _checked(context: Context, known: CheckedEndpoint) -> Finding:
    endpoint = known.endpoint
    state = context.ledger.endpoint_states.of(endpoint.ref).record
    serving = state.resource(endpoint.resource_name).serving
    if serving is None and getattr(endpoint, "create", False):
        return not_checked("it has no model of Relearn yet; the first promotion makes the endpoint")
    if (holder := _holder(context, state)) is not None and holder.phase.updates:
        return not_checked(f"run {holder.run_id} is updating it now")
    service = context.providers.serving(endpoint)
    service.current()
    seen = service.update_state()
    if (found := _unusable(seen)) is not None:
        return found
    probed = "its probe is answered" if seen.probe else "it has no probe"
    if serving is None:
        return ok(f"{probed}; Relearn has promoted no model to it yet")
    drift = drift_finding(serving, seen).drift
    if drift:
        return wrong(f"it has drifted: {drift}", _DRIFT)
    since = serving.since.isoformat(timespec="seconds")
    return ok(f"the model of run {serving.run_id} serves since {since}; {probed}")


def _unusable(seen: EndpointCheck) -> Finding | None:
    """Return what keeps a check from saying what serves; None where nothing does."""
    if seen.progress is UpdateProgress.PENDING:
        return not_checked(f"an operation runs on it: {seen.detail}")
    if seen.progress is UpdateProgress.FAILED:
        return wrong(f"its last operation failed: {seen.detail}", seen.advice or _ADVICE)
    if seen.probe is not None and seen.probe.seen in _PROBE:
        return wrong(f"{_PROBE[seen.probe.seen]}: {seen.probe.detail}", _ADVICE)
    return None


def _holder(context: Context, state: EndpointState) -> Run | None:
    """Return the open run that has the endpoint lease; None where there is none."""
    if state.endpoint_lease is None:
        return None
    run = context.ledger.runs.read(state.endpoint_lease.run_id)
    return run.record if run is not None and not run.record.phase.ended else None
