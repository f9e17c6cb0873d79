"""Sets of switches for the stand-in: each behaves towards endpoints as the contract allows.

Where azure-machine-learning-v2 calls something unknown, or warns of it, the sets differ. The
promises of the app hold with each set.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from local.azureml.switches import Switches

#: Sets of switches, by name.
PERSONALITIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "as documented": {},
    "answers and routes lag": {
        "traffic_answer_lag": timedelta(seconds=15),
        "routing_lag": timedelta(minutes=1),
        "zero_traffic_is_shown": False,
        "new_deployment_state": "Creating",
        "updating_checks": 2,
        "provisioning_checks": 1,
        "metrics_late": timedelta(minutes=4),
    },
    "strict about bodies and order": {
        "read_only_members": "refused",
        "unknown_members": ("mirrorTraffic",),  # as in versions before it
        "put_on_failed": "refused",
        "delete_refused_with": 409,
        "lock": "endpoint",
        "changed_model_uri": "refused",
        "metrics_stars": "one",
        "idle_minutes": "absent",
    },
    "lenient, and fails later": {
        "lock": "resource",
        "bad_traffic": "operation_fails",
        "traffic_to_unready": "accepted",
        "mirror_keeps_from_delete": False,
        "same_deployment": "nothing",
        "put_on_failed": "provisions",
        "credentials_of_other_modes": "answered",
        "regenerate_status": 200,
    },
    "operations say little": {
        "failed_operations": "without_error",
        "operations_kept": timedelta(seconds=30),
        "state_after_failed_update": "Succeeded",
        "traffic_to_unready": "operation_fails",
        "operation_retry_after": 1,
    },
    "spelled in lower case": {
        "values": "lower",
        "ids": "lower",
        "members": "no_nulls",
    },
    "spelled otherwise, with more members": {
        "values": "pascal",
        "members": "more",
        "zero_traffic_is_shown": False,
    },
    "metrics of another kind": {
        "mirrored_requests": "not_counted",
        "metrics_emitters": 2,
        "idle_minutes": "null",
        "metrics_errors": "wrapped",
        "metrics_late": timedelta(minutes=1),
        "metrics_partial": False,
    },
    "no role for metrics": {"metrics_refused": "no_role_403"},
    "roles are late": {
        "roles_late": timedelta(minutes=20),
        "metrics_role_late": timedelta(minutes=40),
        "score_without_role": 403,
    },
}


def personality(name: str) -> Switches:
    """Return the switches of a personality.

    Raises:
        KeyError: there is none of that name.
    """
    return Switches(**PERSONALITIES[name])
