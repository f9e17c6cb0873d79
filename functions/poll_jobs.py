"""Timer: advances every open run that is due, so that no run depends on an event."""

import azure.functions as func

from functions.bindings import POLL_SCHEDULE
from functions.process import NO_CONTEXT, invocation, usable_app
from shared.tracing import shared_invocation

bp = func.Blueprint()


@bp.function_name("poll_jobs")
@bp.timer_trigger(arg_name="timer", schedule=POLL_SCHEDULE, run_on_startup=False)
def poll_jobs(timer: func.TimerRequest, context: func.Context = NO_CONTEXT) -> None:
    """Advance open runs, each by the configuration that it was opened with."""
    del timer  # a late tick does what an early one does
    with invocation(context), shared_invocation():
        built = usable_app("poll_jobs")
        if built is None:
            return
        until = built.poll.until()
        try:
            built.reload(until)
            built.poll.tick(until)
            if built.context.clock.now() < until:
                built.undelivered.look()
        finally:  # also where the storage refuses the tick
            built.health_alerts.report()
