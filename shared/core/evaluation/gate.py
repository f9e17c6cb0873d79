"""The results of the rules of a gate, and the verdict that records keep of them."""

from collections.abc import Iterable

from pydantic import Field, FiniteFloat

from shared.core.config.gate_rule import Kind
from shared.core.decisions.comparison import OUTCOMES, Comparison, RuleOutcome
from shared.core.frozen import FrozenModel, left_out


class Result(FrozenModel):
    """The result of one rule."""

    metric: str
    rule: Kind
    bound: FiniteFloat
    value: FiniteFloat | None  #: None: missing or not finite, see `why`
    live: FiniteFloat | None  #: of the best live model, if the rule compares with it
    passed: bool  #: whether the rule lets the model on; an unsure one may
    why: str  #: one sentence with the numbers
    unsure: bool = left_out(default=False)  #: whether the rows are too few to tell
    observe: bool = left_out(default=False)  #: whether it is only recorded, and does not decide
    unread: str = left_out("")  #: why its file could not be used, where it is only observed
    comparisons: tuple[Comparison, ...] = left_out(())  #: on the same rows
    #: Runs of these whose models serve, or are pinned, no more: such a comparison does not count.
    gone: tuple[str, ...] = left_out(())

    @property
    def measured(self) -> bool:
        """Whether there are comparisons, each of them with an interval."""
        return bool(self.comparisons) and all(one.interval for one in self.comparisons)

    @property
    def outcome(self) -> RuleOutcome:
        """What the rule says of the model."""
        if self.unsure:
            return RuleOutcome.UNSURE
        return RuleOutcome.FIT if self.passed else RuleOutcome.WORSE


class Verdict(FrozenModel):
    """The result of the gate: of all rules together."""

    passed: bool  #: whether the model may be promoted, as far as the gate goes
    reason: str
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)  #: the finite ones
    row: dict[str, str] = Field(default_factory=dict)  #: the labels of the row of the model
    results: tuple[Result, ...] = ()
    unsure: bool = left_out(default=False)  #: whether the rows are too few to tell
    needs_approval: bool = left_out(default=False)  #: whether an operator decides, being unsure
    #: Runs whose models serve, or are pinned, now: the model was not compared with these.
    uncompared: tuple[str, ...] = left_out(())

    @property
    def outcome(self) -> RuleOutcome | None:
        """The worst outcome of its rules; None: there was nothing to judge the model by."""
        if self.unsure:
            return RuleOutcome.UNSURE
        if self.passed:
            return RuleOutcome.FIT
        return RuleOutcome.WORSE if self.results else None

    @property
    def measured(self) -> bool:
        """Whether being unsure is only a matter of rows, of every rule that decides.

        An interval of the difference from a model that serves no more measures nothing.
        """
        unsure = (one for one in self.results if one.unsure and not one.observe)
        return not self.uncompared and all(one.measured for one in unsure)


def refused(reason: str) -> Verdict:
    """Return the verdict on a model whose evaluation is missing or cannot be read."""
    return Verdict(passed=False, reason=reason)


def worst(outcomes: Iterable[RuleOutcome]) -> RuleOutcome:
    """Return the worst of several outcomes; without any, fit."""
    return max(outcomes, key=OUTCOMES.index, default=RuleOutcome.FIT)
