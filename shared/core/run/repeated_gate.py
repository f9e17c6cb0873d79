"""Repeats the gate as a promotion begins: another model may have gone live since the verdict."""

from collections.abc import Iterable

from shared.core.config.compare import Way
from shared.core.config.gate import Gate
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.judging import judged_again
from shared.core.evaluation.on_rows import OnRows
from shared.core.run.commands import Event
from shared.core.run.gate_events import Regressed, VerdictOutdated
from shared.core.run.record import Run
from shared.core.serving.state import Resource, ServedModel


def on_rows_with(
    gate: Gate, served: Iterable[ServedModel], anchor: ServedModel | None = None
) -> OnRows:
    """Return with which models a comparison on rows must be, without any comparison.

    Args:
        gate: of the run.
        served: what serves at each endpoint.
        anchor: the model that is pinned there, where the gate compares with it.
    """
    found: dict[int, tuple[Comparison, ...]] = dict.fromkeys(gate.row_rules, ())
    unsure = gate.compare.unsure if gate.compare else "ask"
    return OnRows(
        found, unsure, tuple(one.run_id for one in served), anchor.run_id if anchor else ""
    )


def anchor_for(gate: Gate, known: Iterable[Resource]) -> ServedModel | None:
    """Return the model that is pinned, where the gate compares with it; None: there is none.

    Args:
        gate: of the run.
        known: its endpoint; of several none has an anchor.
    """
    wanted = gate.compare is not None and gate.compare.anchor is not None
    pinned = [one.anchor.served for one in known if one.anchor and wanted]
    return pinned[0] if len(pinned) == 1 else None


def app_scores(gate: Gate) -> bool:
    """Whether the app itself scores the candidate and what serves.

    Args:
        gate: of a run.
    """
    return gate.compare is not None and gate.compare.way is Way.SCORED


def repeated(run: Run, known: Resource, live: ServedModel | None) -> Event | None:
    """Return what follows if the model is compared with the one that serves now; None: go on.

    Recorded numbers are compared again. On rows only the models are: where another one serves
    than the one that was compared, nothing is known of the difference; the app may find it out.

    Args:
        run: the run, whose model is to be promoted.
        known: the endpoint.
        live: the model that serves there now; None: there is none to compare with.
    """
    gate, verdict = run.config.gate, run.verdict
    if verdict is None or run.origin.repeats or not gate.rules:
        return None
    served = [live] if live else []
    if gate.row_rules and any(one.model == run.model for one in served):
        return None  # the model serves already: there is nothing to compare it with
    again = judged_again(
        verdict,
        gate.rules,
        [one.metrics for one in served],
        first_allowed=gate.first_model == "allow",
        on_rows=on_rows_with(gate, served, anchor_for(gate, [known])),
    )
    new = _new(verdict, again)
    is_live = any(one.run_id in new for one in served)
    change = "another model went live" if is_live else "another anchor was pinned"
    if new and again.outcome is not RuleOutcome.WORSE and app_scores(gate):
        # It will be known: `unsure: reject` has nothing to refuse yet.
        return VerdictOutdated(again, change)
    if not again.passed:
        return Regressed(again, change) if new else Regressed(again)
    return VerdictOutdated(again, change) if new else None


def _new(verdict: Verdict, again: Verdict) -> set[str]:
    """Return the runs whose models serve, or are pinned, and were neither compared nor accepted."""
    return set(again.uncompared) - set(verdict.uncompared)
