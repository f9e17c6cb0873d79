"""The settings of the stand-in: times, and a choice wherever the contract says unknown."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Course = tuple[tuple[str, timedelta], ...]

#: The statuses of a job that has not ended, and how long each lasts.
USUAL_COURSE: Course = (
    ("Preparing", timedelta(minutes=2)),
    ("Queued", timedelta(minutes=1)),
    ("Running", timedelta(minutes=20)),
    ("Finalizing", timedelta(minutes=1)),
)


@dataclass
class Duration:
    """How long an operation takes: by the clock, and in status checks that still see it run."""

    time: timedelta
    checks: int = 0


@dataclass
class Switches:
    """Times, and the behaviour of this workspace; changed at any time."""

    # Times of azure-machine-learning-v2 §5.2.
    creating_endpoint: timedelta = timedelta(seconds=80)
    provisioning: timedelta = timedelta(minutes=10)
    provisioning_checks: int = 0
    updating_endpoint: timedelta = timedelta(seconds=20)
    updating_checks: int = 0
    deleting: timedelta = timedelta(minutes=1)
    #: How long requests follow the old traffic after the update has succeeded.
    routing_lag: timedelta = timedelta(0)
    #: How long answers show the old traffic after that.
    traffic_answer_lag: timedelta = timedelta(0)
    cancelling: timedelta = timedelta(minutes=1)
    course: Course = USUAL_COURSE

    # Answers.
    #: Seconds, at operations that run; the recordings have none.
    operation_retry_after: int | None = None
    throttle_retry_after: int = 17
    new_deployment_state: Literal["Updating", "Creating"] = "Updating"
    #: Members that only answers have, sent in a PUT.
    read_only_members: Literal["ignored", "refused"] = "ignored"
    #: Members of the PUT of an endpoint or a deployment that this api-version does not know.
    unknown_members: tuple[str, ...] = ()
    zero_traffic_is_shown: bool = True
    cancel_status: Literal[200, 202] = 200
    #: Whether a job that was to be cancelled cannot reach another end any more.
    cancel_wins: bool = True
    missing_job_has_body: bool = True
    max_deployments: int = 20
    jobs_a_page: int = 50
    children_a_page: int = 100
    datastores_a_page: int = 30
    #: How the run history spells the types of outputs: as recorded, or as a job has them.
    output_types: Literal["recorded", "as_sent"] = "recorded"

    # How answers are spelled (see `answers.styled`).
    values: Literal["as_sent", "pascal", "lower"] = "as_sent"
    ids: Literal["as_sent", "lower"] = "as_sent"
    members: Literal["as_sent", "reversed", "no_nulls", "more"] = "as_sent"

    # Platform metrics of endpoints.
    #: How long until a minute is there whole; the newest is missing. Zero: at once.
    metrics_late: timedelta = timedelta(minutes=3)
    #: Whether minutes between the newest and that one show half of the requests.
    metrics_partial: bool = True
    #: A minute without requests, in a series that has others.
    idle_minutes: Literal["zero", "null", "absent"] = "zero"
    #: How many samples a combination of dimensions has in a minute.
    metrics_emitters: int = 1
    #: How many dimensions of a filter may be `'*'`.
    metrics_stars: Literal["many", "one"] = "many"
    metrics_errors: Literal["flat", "wrapped"] = "flat"
    metrics_role_late: timedelta = timedelta(0)
    metrics_refused: Literal[
        "no", "no_role_401", "no_role_403", "not_registered", "throttled", "back_off"
    ] = "no"

    # Access.
    #: How long after the start no role is there yet: 403.
    roles_late: timedelta = timedelta(0)
    #: What an Entra token without a role for scoring is answered, at an endpoint that takes such.
    score_without_role: Literal[401, 403] = 401
    #: Keys of an endpoint with tokens, and tokens of one with keys.
    credentials_of_other_modes: Literal["refused", "answered"] = "refused"
    regenerate_status: Literal[200, 202] = 202
    #: Whether tokens are of another tenant than the workspace.
    other_tenant: bool = False
    #: Whether the PUT of a pipeline job needs the header `x-azureml-token`.
    ml_header: Literal["needed", "ignored"] = "ignored"
    #: The api-versions that are known; empty: all.
    api_versions: tuple[str, ...] = ()

    # Unknown in the contract.
    #: What another operation waits for: one on the same endpoint, or on the same resource.
    lock: Literal["endpoint", "resource"] = "endpoint"
    bad_traffic: Literal["refused", "operation_fails"] = "refused"
    traffic_to_unready: Literal["refused", "accepted", "operation_fails"] = "refused"
    state_after_failed_update: Literal["Failed", "Succeeded"] = "Failed"
    #: Whether an operation says why it failed, or only the state shows that it did.
    failed_operations: Literal["with_error", "without_error"] = "with_error"
    #: How long after its end an operation is known; none: for ever.
    operations_kept: timedelta | None = None
    delete_refused_with: Literal[400, 409] = 400
    mirror_keeps_from_delete: bool = True
    #: Whether copies of requests show in the metrics, under the name of the shadow.
    mirrored_requests: Literal["counted", "not_counted"] = "counted"
    put_on_failed: Literal["refused", "provisions"] = "provisions"
    #: A PUT of a deployment that changes nothing.
    same_deployment: Literal["operation", "nothing"] = "operation"
    changed_model_uri: Literal["refused", "taken"] = "refused"
    identical_job: Literal["same", "immutable"] = "same"
    immutable_status: Literal[400, 409] = 400
    #: Whether the run history names the outputs of a pipeline at the pipeline itself.
    outputs_at_parent: bool = True
    #: Which steps are reused: those that the contract says, all that could be, none.
    reuse: Literal["as_documented", "always", "never"] = "as_documented"
    #: Whether outputs of a job of `componentId` are written where the caller said.
    explicit_uri_honoured: bool = True


def quick(step: timedelta) -> Switches:
    """Return the switches of a service that takes seconds instead of minutes.

    Args:
        step: how long each status of a job lasts, but the running.

    Returns:
        The switches.
    """
    course = tuple((status, step) for status in ("Preparing", "Queued", "Running", "Finalizing"))
    return Switches(
        creating_endpoint=step,
        provisioning=3 * step,
        updating_endpoint=step,
        deleting=step,
        cancelling=step,
        course=course,
        metrics_late=timedelta(0),
    )
