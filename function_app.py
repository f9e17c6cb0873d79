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
app.register_functions(on_training_data.bp)
app.register_functions(poll_jobs.bp)
app.register_functions(on_trained_model.bp)
app.register_functions(start_scheduled_runs.bp)
app.register_functions(manual_runs.bp)
app.register_functions(runs.bp)
app.register_functions(pipelines.bp)
app.register_functions(endpoints.bp)
app.register_functions(description.bp)
app.register_functions(health.bp)
