"""Entry point that the Functions host indexes: registers the triggers and does nothing else."""

import azure.functions as func

from functions import (
    description,
    doctor,
    endpoints,
    health,
    manual_runs,
    on_storage_events,
    on_trained_model,
    on_training_data,
    on_workspace_events,
    pipelines,
    poll_jobs,
    runs,
    start_scheduled_runs,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_EVENTS = (on_training_data, on_trained_model, on_storage_events, on_workspace_events)
_TIMERS = (poll_jobs, start_scheduled_runs)
_RESOURCES = (manual_runs, runs, pipelines, endpoints, description, health, doctor)
for _module in _EVENTS + _TIMERS + _RESOURCES:
    app.register_functions(_module.bp)
