"""Blob trigger: a trained model advances its run; an operator's model opens one."""

import azure.functions as func
from azurefunctions.extensions.bindings import blob

from functions.bindings import BLOB_SOURCE, MODELS_CONNECTION
from functions.process import NO_CONTEXT, invocation, usable_app

bp = func.Blueprint()


@bp.function_name("on_trained_model")
@bp.blob_trigger(
    arg_name="client",
    path="%MODELS_CONTAINER%/{name}",
    connection=MODELS_CONNECTION,
    source=BLOB_SOURCE,
)
def on_trained_model(client: blob.BlobClient, context: func.Context = NO_CONTEXT) -> None:
    """Advance the run whose job wrote the blob, or promote a model that an operator uploaded.

    If the event is lost, the poll does the same. With Event Grid events of any container may
    arrive, so the container is checked (design rule 14).
    """
    with invocation(context):
        built = usable_app(f"model {client.blob_name}", of_blob=True)
        if built and client.container_name == built.context.models_container:
            built.model_events.model_arrived(client.blob_name)
