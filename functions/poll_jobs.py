"""Timer: advances every open run that is due, so that no run depends on an event."""

import azure.functions as func

from functions.bindings import POLL_SCHEDULE
from functions.process import usable_app
from shared.telemetry import redacted_errors

bp = func.Blueprint()


@bp.function_name("poll_jobs")
@bp.timer_trigger(arg_name="timer", schedule=POLL_SCHEDULE, run_on_startup=False)
def poll_jobs(timer: func.TimerRequest) -> None:
    """Advance open runs, each by the configuration that it was opened with."""
    del timer  # a late tick does what an early one does
    with redacted_errors():
        built = usable_app("poll_jobs")
        if built is None:
            return
        until = built.poll.until()
        built.reload(until)
        built.poll.tick(until)
        if built.context.clock.now() < until:
            built.undelivered.look()
