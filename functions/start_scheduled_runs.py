"""Timer: opens the runs of due times, finds lost events, deletes old records."""

import azure.functions as func

from functions.bindings import SCHEDULE_TICK
from functions.process import usable_app
from shared.telemetry import redacted_errors
from shared.tracing import shared_invocation

bp = func.Blueprint()


@bp.function_name("start_scheduled_runs")
@bp.timer_trigger(arg_name="timer", schedule=SCHEDULE_TICK, run_on_startup=False)
def start_scheduled_runs(timer: func.TimerRequest) -> None:
    """Open at most one run for each due time; search for data whose event was lost."""
    del timer  # due times are read from the ledger, not from the tick
    with redacted_errors(), shared_invocation():
        built = usable_app("start_scheduled_runs")
        if built is None:
            return
        built.ticks.note()
        until = built.poll.until()
        built.reload(until)
        built.poll.start_scheduled(until)
        built.full_listings.run_until(until)
        built.search.run_until(until)
        built.retention.clean(until)
