"""Queue trigger: an event about a job of Azure Machine Learning has its run checked at once."""

import azure.functions as func

from functions.bindings import EVENTS_CONNECTION, WORKSPACE_EVENTS_QUEUE
from functions.process import usable_app
from shared.telemetry import redacted_errors

bp = func.Blueprint()


@bp.function_name("on_workspace_events")
@bp.queue_trigger(
    arg_name="message", queue_name=WORKSPACE_EVENTS_QUEUE, connection=EVENTS_CONNECTION
)
def on_workspace_events(message: func.QueueMessage) -> None:
    """Check the run whose job has ended, as the event says; without it the poll does."""
    with redacted_errors():
        built = usable_app("on_workspace_events")
        if built:
            built.workspace_events.received(message.get_body())
