"""Answers about backtests: what another gate would have said of recorded runs."""

from typing import Literal

from pydantic import AwareDatetime, Field

from functions.api_models.shared import ResponseModel
from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.gate import Verdict
from shared.core.run.record import Phase
from shared.core.run.replays import GateAction, Replay
from shared.operations.backtest import BacktestPage


class RuleReplayed(ResponseModel):
    """What one rule says of a model; its numbers are in `reason`."""

    metric: str
    rule: str
    bound: float
    observe: bool = Field(description="Whether the rule is only recorded, and does not decide.")
    outcome: RuleOutcome


class VerdictReplayed(ResponseModel):
    """A verdict, and what the gate does then."""

    outcome: RuleOutcome | None = Field(description="Left out: nothing to judge the model by.")
    action: GateAction = Field(
        description="What the gate does with the model. promote: it is promoted, or kept where "
        "there is no endpoint; ask: an operator decides; wait: an operator decides unless the "
        "next run does; reject."
    )
    reason: str
    rules: tuple[RuleReplayed, ...]

    @classmethod
    def of(cls, verdict: Verdict, action: GateAction) -> "VerdictReplayed":
        """Return a verdict as a backtest shows it.

        Args:
            verdict: the verdict.
            action: what the gate does with the model.
        """
        rules = tuple(RuleReplayed.model_validate(one) for one in verdict.results)
        return cls(outcome=verdict.outcome, action=action, reason=verdict.reason, rules=rules)


class RunReplayed(ResponseModel):
    """One run: its verdict, and what the other gate says."""

    run_id: str
    opened_at: AwareDatetime
    phase: Phase
    changed: bool = Field(description="Whether the other gate does something else with it.")
    recorded: VerdictReplayed
    replayed: VerdictReplayed | None = Field(
        description="Left out: it cannot be known, see reason."
    )
    by: Literal["record", "files"] | None = Field(
        description="record: by the numbers and comparisons in its record; files: its evaluation "
        "and predictions were read again, and gave its own verdict again."
    )
    reason: str = Field(description="Why it cannot be known; empty where it is.")

    @classmethod
    def of(cls, replay: Replay) -> "RunReplayed":
        """Return one run as a backtest shows it."""
        replayed = None
        if replay.verdict is not None and replay.action is not None:
            replayed = VerdictReplayed.of(replay.verdict, replay.action)
        return cls(
            run_id=replay.run.run_id,
            opened_at=replay.run.opened_at,
            phase=replay.run.phase,
            changed=replay.changed,
            recorded=VerdictReplayed.of(replay.recorded, replay.recorded_action),
            replayed=replayed,
            by=replay.by,
            reason=replay.why,
        )


class BacktestShown(ResponseModel):
    """A page of runs by another gate, the newest first."""

    runs: tuple[RunReplayed, ...]
    replayed: int = Field(description="Runs of this page that the gate was replayed over.")
    changed: int = Field(description="Those with which the gate does something else.")
    not_replayable: int = Field(description="Runs of which it cannot be known.")
    skipped: int = Field(description="Runs without a rule outcome; they are not listed.")
    next: str | None = Field(description="The cursor of the next page; left out on the last one.")

    @classmethod
    def of(cls, page: BacktestPage) -> "BacktestShown":
        """Return a page as it is shown."""
        runs = tuple(RunReplayed.of(one) for one in page.replays)
        known = [one for one in runs if one.replayed is not None]
        return cls(
            runs=runs,
            replayed=len(known),
            changed=sum(one.changed for one in known),
            not_replayable=len(runs) - len(known),
            skipped=page.skipped,
            next=page.cursor,
        )
