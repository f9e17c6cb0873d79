"""A Resource Manager token, by the identity of the app (studio-classic §4, SPEC17)."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError

from shared.core.config.studio_urls import is_loopback
from shared.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_PUBLIC: Final = "management.azure.com"
#: Resource Manager hosts of the clouds that had the service; others count as the public one.
_CLOUDS: Final = frozenset({_PUBLIC, "management.chinacloudapi.cn", "management.usgovcloudapi.net"})
_CURE: Final = (
    "assign a managed identity to the app, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET; on your own machine sign in with a developer tool"
)


@dataclass
class ArmToken:
    """Gets tokens; built once for a process. The credential keeps and renews them itself.

    Safe to call from several threads, and again and again.
    """

    credential: "TokenCredential | None" = None  #: None: azure-identity's default, on first use
    hosts: frozenset[str] = _CLOUDS  #: where a token may travel, besides this machine
    _building: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, url: str) -> str:
        """Return a token for the Resource Manager at `url`.

        Raises:
            TransientError: no identity gives one now; its message says what to do.
            PermanentError: that is no Resource Manager: a token must not travel there.
        """
        host = urlsplit(url).hostname or ""
        if host not in self.hosts and not is_loopback(url):
            raise PermanentError(
                f"{host} is no Resource Manager host, such as {_PUBLIC}: correct `update`"
            )
        scope = f"https://{host if host in _CLOUDS else _PUBLIC}/.default"
        try:
            return str(self._credential().get_token(scope).token)
        except ClientAuthenticationError:
            # Its text lists everything that was tried, over many lines.
            raise TransientError(f"no identity may sign in to Resource Manager: {_CURE}") from None
        except (AzureError, ValueError) as exc:  # settings or answers that make no sense to it
            kind = type(exc).__name__
            raise TransientError(f"no token for Resource Manager now ({kind}): {_CURE}") from None

    def _credential(self) -> "TokenCredential":
        with self._building:
            if self.credential is None:
                # Only where a New service is updated; the blob binding is free to leave it out.
                from azure.identity import DefaultAzureCredential  # noqa: PLC0415

                self.credential = DefaultAzureCredential()
            return self.credential
