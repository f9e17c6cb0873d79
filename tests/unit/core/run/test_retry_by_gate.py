"""A retry with a changed gate: where the run continues, from each phase."""

from typing import Any

import pytest

from shared.core.run import promotion_events as updates
from shared.core.run.commands import Command
from shared.core.run.machine import apply, next_command
from shared.core.run.moves import MOVES
from shared.core.run.record import Origin, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested
from shared.errors import InvalidTransitionError
from tests.unit.execution.parked_runs import PAST_TRAINED, STRICT, YES, other_output, parked
from tests.unit.samples import MODEL, NOW, pipeline, promotion

#: What an operator may have tightened, one at a time.
GATES: dict[str, dict[str, Any]] = {
    "rules": {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.9999}]},
    "approval": {"approval": "required"},
    "expires": {"expires": "1d"},
    "on_expiry": {"on_expiry": "approve"},
    "first_model": {"first_model": "allow"},
    "row": {
        "metrics": "output2",
        "rules": [{"metric": "AUC", "at_least": 0.1}],
        "row": {"number": 2},
    },
}


# The rule


@pytest.mark.parametrize("gate", GATES, ids=str)
@pytest.mark.parametrize("phase", PAST_TRAINED)
@pytest.mark.parametrize("sent", [True, False])
def test_a_retry_by_another_gate_goes_back_to_it_from_every_phase(
    phase: Phase, gate: str, *, sent: bool
) -> None:
    known = promotion(ever_sent=sent, after_rollback=None) if phase.updates else None
    if phase is Phase.ROLLING_BACK and known:
        known = known.model_copy(update={"after_rollback": "start"})
    was = parked(phase, promotion=known, model=MODEL, approval=YES)
    again = apply(was, RetryRequested(pipeline(gate=GATES[gate])), NOW)
    assert again.config.gate == pipeline(gate=GATES[gate]).gate
    assert (again.verdict, again.approval) == (None, None)
    if known is not None and sent:
        assert again.phase is Phase.ROLLING_BACK
        assert again.promotion is not None
        assert again.promotion.sent_at is None
        assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT
        again = apply(again, updates.RolledBack("as before"), NOW)
    assert (again.phase, again.promotion, again.model) == (Phase.JUDGED, None, MODEL)
    assert next_command(again, NOW) is Command.JUDGE


@pytest.mark.parametrize("phase", PAST_TRAINED)
def test_a_retry_by_the_same_gate_keeps_what_was_said(phase: Phase) -> None:
    was = parked(phase, approval=YES, model=MODEL)
    stored = Run.model_validate_json(was.model_dump_json())
    for config in (None, stored.config, pipeline()):
        again = apply(stored, RetryRequested(config), NOW)
        assert again.approval == YES
        assert again.phase is (Phase.PROMOTING if phase is Phase.VERIFYING else phase)


@pytest.mark.parametrize("origin", [Origin.ROLLBACK, Origin.DRIFT])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_model_that_is_set_again_is_never_judged_and_its_record_does_not_say_so(
    phase: Phase, origin: Origin
) -> None:
    was = parked(phase, origin=origin)
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert again.phase is (Phase.PROMOTING if phase is Phase.VERIFYING else phase)
    assert again.config.gate == was.config.gate


@pytest.mark.parametrize("rollback", ["rolled_back", "unchanged"])
def test_a_model_that_is_being_rolled_back_for_good_is_not_judged_again(rollback: str) -> None:
    known = promotion(after_rollback=rollback, ever_sent=True)
    was = parked(Phase.ROLLING_BACK, promotion=known)
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert again.config.gate == was.config.gate
    ended = apply(again, updates.RolledBack("as before"), NOW)
    assert ended.phase.ended


@pytest.mark.parametrize("rollback", ["rolled_back", "unchanged"])
def test_a_model_that_is_being_rolled_back_for_good_is_not_collected_from_another_output(
    rollback: str,
) -> None:
    known = promotion(after_rollback=rollback, ever_sent=True)
    was = parked(Phase.ROLLING_BACK, config=other_output("output1"), promotion=known)
    again = apply(was, RetryRequested(other_output("output3")), NOW)
    assert again.config.endpoints[0].model == "output1"
    assert apply(again, updates.RolledBack("as before"), NOW).phase.ended


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_delivery_is_not_retried_past_the_gate_of_its_run(phase: Phase) -> None:
    known = promotion(after_rollback="start" if phase is Phase.ROLLING_BACK else None)
    was = parked(phase, origin=Origin.ROLL_OUT, parent="sample-0", promotion=known)
    with pytest.raises(InvalidTransitionError, match="retry run sample-0 instead"):
        apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert apply(was, RetryRequested(pipeline()), NOW).phase.updates


@pytest.mark.parametrize("rollback", ["rolled_back", "unchanged", "judged", "trained"])
def test_a_delivery_that_only_ends_by_its_rollback_may_always_be_retried(rollback: str) -> None:
    known = promotion(after_rollback=rollback, ever_sent=True)
    was = parked(Phase.ROLLING_BACK, origin=Origin.ROLL_OUT, parent="sample-0", promotion=known)
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT
    assert apply(again, updates.RolledBack("as before"), NOW).phase.ended


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_delivery_that_is_rolled_back_ends_and_never_promotes(
    phase: Phase, *, sent: bool
) -> None:
    known = promotion(ever_sent=sent, after_rollback=None)
    was = parked(phase, origin=Origin.ROLL_OUT, parent="sample-0", promotion=known)
    again = apply(was, RedoRequested(None), NOW)
    if sent:
        assert again.phase is Phase.ROLLING_BACK
        assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT
        again = apply(again, updates.RolledBack("as before"), NOW)
    assert again.phase is (Phase.ROLLED_BACK if sent else Phase.CANCELLED)
    assert "has changed" in str(again.reason)


def test_the_table_leads_back_to_the_gate_only_by_a_return() -> None:
    to_gate = {key for key, to in MOVES.items() if Phase.JUDGED in to}
    assert (Phase.ROLLING_BACK, updates.RolledBack) in to_gate
    assert (Phase.PARKED, RetryRequested) in to_gate
