"""Blob trigger: new training data opens a run, once for each data version."""

import azure.functions as func
from azurefunctions.extensions.bindings import blob

from functions.bindings import BLOB_SOURCE, DATA_CONNECTION
from functions.process import NO_CONTEXT, invocation, usable_app

bp = func.Blueprint()


@bp.function_name("on_training_data")
@bp.blob_trigger(
    arg_name="client",
    path="%TRAINING_DATA_CONTAINER%/{name}",
    connection=DATA_CONNECTION,
    source=BLOB_SOURCE,
)
def on_training_data(client: blob.BlobClient, context: func.Context = NO_CONTEXT) -> None:
    """Record the version of the blob and take the first steps of its run.

    The client is used for the names only: the content is never read (design rule 13). With
    Event Grid events of any container may arrive, so the container is checked (design rule 14).
    """
    with invocation(context):
        built = usable_app(f"blob {client.blob_name}", of_blob=True)
        if built and client.container_name == built.context.data_container:
            built.blob_events.blob_arrived(client.blob_name)
