"""The settings of the Functions host that keep a trigger from being served.

Apart from the other settings, since the local host needs no more than these.
"""

from collections.abc import Mapping


def is_disabled(environment: Mapping[str, str], function: str) -> bool:
    """Return whether a setting of the host keeps the trigger of a function from being served.

    Linux has no dots in names of variables, so there is a form without (azure-functions §1.2).

    Args:
        environment: the app settings.
        function: the name of the function.
    """
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(environment.get(name, "").lower() in ("true", "1") for name in names)
