"""Queue trigger: an event of Event Grid about a blob does what the blob triggers do."""

import azure.functions as func

from functions.bindings import EVENTS_CONNECTION, STORAGE_EVENTS_QUEUE
from functions.process import NO_CONTEXT, invocation, usable_app

bp = func.Blueprint()


@bp.function_name("on_storage_events")
@bp.queue_trigger(arg_name="message", queue_name=STORAGE_EVENTS_QUEUE, connection=EVENTS_CONNECTION)
def on_storage_events(message: func.QueueMessage, context: func.Context = NO_CONTEXT) -> None:
    """Have the blob checked that the event names.

    A message that fails is delivered again, and after a few tries moved to the poison queue. One
    that comes while settings are wrong is dropped: the search finds its blob.
    """
    with invocation(context):
        built = usable_app("a message of the queue of storage events", of_blob=True)
        if built:
            built.storage_events.received(message.get_body())
