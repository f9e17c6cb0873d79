"""Timer: opens the runs of due times, finds lost events, deletes old records."""

import azure.functions as func

from functions.bindings import SCHEDULE_TICK
from functions.process import NO_CONTEXT, invocation, usable_app
from shared.tracing import shared_invocation

bp = func.Blueprint()


@bp.function_name("start_scheduled_runs")
@bp.timer_trigger(arg_name="timer", schedule=SCHEDULE_TICK, run_on_startup=False)
def start_scheduled_runs(timer: func.TimerRequest, context: func.Context = NO_CONTEXT) -> None:
    """Open at most one run for each due time; search for data whose event was lost."""
    del timer  # due times are read from the ledger, not from the tick
    with invocation(context), shared_invocation():
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
