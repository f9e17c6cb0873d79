"""Queue trigger: an event about a job of Azure Machine Learning has its run checked at once."""

import azure.functions as func

from functions.bindings import EVENTS_CONNECTION, WORKSPACE_EVENTS_QUEUE
from functions.process import NO_CONTEXT, invocation, usable_app

bp = func.Blueprint()


@bp.function_name("on_workspace_events")
@bp.queue_trigger(
    arg_name="message", queue_name=WORKSPACE_EVENTS_QUEUE, connection=EVENTS_CONNECTION
)
def on_workspace_events(message: func.QueueMessage, context: func.Context = NO_CONTEXT) -> None:
    """Check the run whose job has ended, as the event says; without it the poll does."""
    with invocation(context):
        built = usable_app("on_workspace_events")
        if built:
            built.workspace_events.received(message.get_body())
