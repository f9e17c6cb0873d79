"""The model of a run that is promoted, as the endpoint state then has it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from shared.core.run.record import Origin, Run
from shared.core.serving.probes import ProbeAnswers
from shared.core.serving.references import Candidate, announced, kept_for
from shared.core.serving.state import (
    MOST_LINES,
    Anchor,
    EndpointState,
    Resource,
    ServedModel,
    ServingHistoryEntry,
    is_superseded,
    released,
)
from shared.core.versions import newest_first

_SHOWN: Final = 5
_KEPT: Final = 5
#: Who pinned the anchor, where no operator did.
_FIRST: Final = "the first promotion"


@dataclass(frozen=True, slots=True)
class Verified:
    """Why a model counts as live, since when, and by what it is recognised."""

    why: str
    at: datetime
    answers: ProbeAnswers | None = None  #: where they repeat
    named: str | None = None  #: what the endpoint says it was given
    keeps: timedelta = timedelta()  #: how long what served before is kept at the endpoint


def promoted(
    endpoint_state: EndpointState, run: Run, resource: str, verified: Verified
) -> EndpointState:
    """Return the endpoint state with the model of `run` serving and the lease ended.

    A model that served before keeps its run and its data; setting it again does not count as
    newer data.

    Args:
        endpoint_state: the endpoint.
        run: the run.
        resource: the resource of the endpoint.
        verified: the result of the verification.
    """
    require_model(run)
    known = endpoint_state.resource(resource)
    same = (served for served in known.pinnable if served.target_model == run.target_model)
    again = next(same, None) if run.origin.repeats else None
    serving = served_by(run, verified, again)
    previous = tuple(served for served in known.kept if served is not again)[:_KEPT]
    history = (*known.history, _line(run, serving))[-MOST_LINES:]
    changes = {
        "serving": serving,
        "previous": previous,
        **_newest_data(known, run),
        "history": history,
        "anchor": known.anchor or _first_anchor(run, serving),
    }
    resources = {**endpoint_state.resources, resource: known.evolve(**changes)}
    was = known.serving.candidate if known.serving else ""
    until = verified.at + verified.keeps
    there = endpoint_state.staged
    if again is not None and again.candidate:  # it may have been discarded, and made again
        made = Candidate(name=again.candidate, state=again.target_model)
        there = announced(there, made, again.run_id, resource)
    staged = kept_for(there, resource, serving.candidate, was, until)
    return released(endpoint_state.evolve(resources=resources, staged=staged), run.run_id)


def served_by(run: Run, verified: Verified, again: ServedModel | None = None) -> ServedModel:
    """Return the model of a run as the endpoint state keeps it.

    Args:
        run: the run that sets it.
        verified: the result of the verification.
        again: what is known of it, where it served before.
    """
    return ServedModel(
        model=run.target_model.model,
        state=run.served,
        candidate=again.candidate if again else run.candidate.name if run.candidate else "",
        run_id=again.run_id if again else run.run_id,
        since=verified.at,
        verification=verified.why,
        **_data_of(again or run),
        answers=verified.answers,
        named=verified.named,
        set_by=run.run_id if again else None,
        first_at=again.order if again else None,
        repairs=again.repairs + 1 if again and run.origin is Origin.DRIFT else 0,
        metrics=again.metrics if again else run.measured,
        approved_by=again.approved_by if again else _approved_by(run),
        trained_by=again.trained_by if again else (run.parent or ""),
    )


def _first_anchor(run: Run, serving: ServedModel) -> Anchor | None:
    """Return the anchor where the gate asks for one and none is pinned: what was promoted first."""
    compare = run.config.gate.compare
    if run.origin.repeats or compare is None or compare.anchor is None:
        return None
    served = serving.evolve(answers=None)
    return Anchor(served=served, by=_FIRST, at=serving.since)


def _data_of(made: ServedModel | Run) -> dict[str, Any]:
    """Return the data of a model, shortened for the endpoint state."""
    if isinstance(made, ServedModel):
        return made.model_dump(include={"manifest", "arrived", "trained_on", "given"})
    return {
        "manifest": tuple(newest_first(made.manifest)[:_SHOWN]),
        "arrived": len(made.manifest),
        "trained_on": tuple(newest_first(made.trained_on)[:_SHOWN]),
        "given": len(made.trained_on),
    }


def _newest_data(known: Resource, run: Run) -> dict[str, Any]:
    """Return the newest data ever promoted, now that the model of `run` was."""
    if run.origin.repeats or is_superseded(known, run.data_time, run.newest):
        return {"newest_data": known.newest_data, "newest_version": known.newest_version}
    return {"newest_data": run.data_time, "newest_version": run.newest}


def _approved_by(run: Run) -> str:
    said = run.approval
    return said.by if said is not None and said.answer == "approved" else ""


def _line(run: Run, serving: ServedModel) -> ServingHistoryEntry:
    return ServingHistoryEntry(
        at=serving.since,
        run_id=run.run_id,
        trained_by=serving.trained_by or serving.run_id,
        model=serving.model.name if serving.model else None,
        data=tuple(blob.path for blob in serving.trained_on),
        blobs=serving.given,
        arrived=serving.arrived,
        data_time=serving.manifest[0].modified if serving.manifest else None,
        why=run.cause,
        approved_by=serving.approved_by,
        verification=serving.verification,
    )


def served_once(run: Run, line: ServingHistoryEntry) -> ServedModel:
    """Return the model of a run that served once, though it is no longer among those kept.

    Args:
        run: the run that brought it to the endpoint.
        line: when it did.
    """
    return served_by(run, Verified(line.verification, line.at))


def require_model(run: Run) -> None:
    """Refuse a run without a model, unless it sets an earlier one again.

    Such a run can only roll back to the model of the endpoint's service.

    Raises:
        ValueError: it has none.
    """
    if run.model is None and not run.origin.repeats:
        raise ValueError(f"run {run.run_id} has no model that an endpoint could be given")
