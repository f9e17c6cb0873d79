"""Entry point that the Functions host indexes: registers the triggers and does nothing else."""

import azure.functions as func

from functions import (
    description,
    endpoints,
    health,
    manual_runs,
    on_trained_model,
    on_training_data,
    pipelines,
    poll_jobs,
    runs,
    start_scheduled_runs,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for _module in (
    on_training_data,
    on_trained_model,
    poll_jobs,
    start_scheduled_runs,
    manual_runs,
    runs,
    pipelines,
    endpoints,
    description,
    health,
):
    app.register_functions(_module.bp)
