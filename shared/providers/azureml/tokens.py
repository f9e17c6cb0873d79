"""Tokens for a workspace, by the identity of the app, and which scopes a cloud has for them.

See azure-machine-learning-v2 §1. `azure-identity` keeps and renews tokens: one is asked for
before each call.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError

from shared.core.config.azureml_names import RESOURCE_MANAGER, Workspace
from shared.core.hosts import is_loopback
from shared.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

#: App settings that name the scopes of another cloud.
ARM_SCOPE: Final = "AZUREML_ARM_SCOPE"
ML_SCOPE: Final = "AZUREML_ML_SCOPE"
_DEFAULT: Final = "/.default"
#: Resource Manager's host, and the resource that the data plane's tokens are for.
_CLOUDS: Final = {
    "management.azure.com": "https://ml.azure.com",
    "management.chinacloudapi.cn": "https://ml.azure.cn",
    "management.usgovcloudapi.net": "https://ml.azure.us",
}
_ADVICE: Final = (
    "assign a managed identity to the app, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET; a user-assigned identity needs AZURE_CLIENT_ID; on your own machine "
    "sign in with a developer tool"
)


@dataclass(frozen=True, slots=True)
class Scopes:
    """What tokens are asked for in one cloud."""

    arm: str
    ml: str  #: of the second choice for the data plane, and of `x-azureml-token`


def scopes_of(workspace: Workspace, environment: Mapping[str, str]) -> Scopes:
    """Return the scopes of the cloud that a workspace is in.

    Args:
        workspace: the workspace; its host says which cloud it is.
        environment: the app settings, where another cloud is named.

    Raises:
        ConfigError: nothing says what tokens its host takes: none must travel there.
    """
    host = urlsplit(workspace.host).hostname or ""
    arm, ml = environment.get(ARM_SCOPE), environment.get(ML_SCOPE)
    known = host if host in _CLOUDS else None
    if known is None and is_loopback(workspace.host):
        known = urlsplit(RESOURCE_MANAGER).hostname
    if known is not None:
        return Scopes(arm or f"https://{known}{_DEFAULT}", ml or f"{_CLOUDS[known]}{_DEFAULT}")
    if arm and ml:
        return Scopes(arm, ml)
    raise ConfigError(
        f"{host} is not a Resource Manager that is known here: correct training.workspace, or set "
        f"{ARM_SCOPE} and {ML_SCOPE} for a cloud of your own"
    )


@dataclass
class Tokens:
    """Gets tokens; built once for a process. Safe to call from several threads."""

    credential: "TokenCredential | None" = None  #: None: azure-identity's default, on first use
    _building: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, scope: str) -> str:
        """Return a token for a scope.

        Raises:
            TransientError: no identity gives one now; its message says what to do.
        """
        try:
            return str(self._credential().get_token(scope).token)
        except ClientAuthenticationError:
            # Its text lists everything that was tried, over many lines.
            text = f"no identity may sign in for {scope}"
            raise TransientError(f"{text}: {_ADVICE}", advice=_ADVICE) from None
        except (AzureError, ValueError) as exc:  # settings or answers that make no sense to it
            text = f"no token for {scope} now ({type(exc).__name__})"
            raise TransientError(f"{text}: {_ADVICE}", advice=_ADVICE) from None

    def _credential(self) -> "TokenCredential":
        with self._building:
            if self.credential is None:
                from azure.identity import DefaultAzureCredential  # noqa: PLC0415 -- slow

                self.credential = DefaultAzureCredential()
            return self.credential
