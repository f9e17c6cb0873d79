"""Blob trigger: a trained model advances its run; an operator's model opens one."""

import azure.functions as func
from azurefunctions.extensions.bindings import blob

from functions.bindings import BLOB_SOURCE, MODELS_CONNECTION
from functions.process import usable_app
from shared.telemetry import redacted_errors

bp = func.Blueprint()


@bp.function_name("on_trained_model")
@bp.blob_trigger(
    arg_name="client",
    path="%MODELS_CONTAINER%/{name}",
    connection=MODELS_CONNECTION,
    source=BLOB_SOURCE,
)
def on_trained_model(client: blob.BlobClient) -> None:
    """Advance the run whose job wrote the blob, or promote a model that an operator uploaded.

    If the event is lost, the poll does the same. With Event Grid events of any container may
    arrive, so the container is checked (design rule 14).
    """
    with redacted_errors():
        built = usable_app(f"model {client.blob_name}", of_blob=True)
        if built and client.container_name == built.context.models_container:
            built.model_events.model_arrived(client.blob_name)
