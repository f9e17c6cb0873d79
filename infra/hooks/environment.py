"""Reads facts about the deployment from environment variables or azd, and gets tokens of azd."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from calls import base_of, required_https
from console import WRONG_USE, HookError, Secrets

ROOT: Final = Path(__file__).resolve().parents[2]
#: The address of Resource Manager, which other clouds have of their own.
RESOURCE_MANAGER: Final = "AZURE_RESOURCE_MANAGER_URL"
STORAGE_SCOPE: Final = "https://storage.azure.com/.default"
#: The folder of scratch blobs, by which the delivery of events is tried; no pipeline takes them.
SCRATCH_FOLDER: Final = ".relearn/scratch"
QUEUE: Final = "queue"
BLOB_TRIGGER: Final = "blobTrigger"

_PUBLIC_CLOUD: Final = "https://management.azure.com"
_AZD_SECONDS: Final = 60

#: The outputs that every hook that calls Azure needs.
NEEDED: Final = ("FUNCTION_APP_ID", "FUNCTION_APP_HOST", "EVENT_DELIVERY")
#: More of it for the check of the roles.
NEEDED_FOR_ROLES: Final = ("APP_PRINCIPAL_ID", "ROLE_SCOPES")
#: More of it for the event that is sent through the data container.
NEEDED_FOR_EVENTS: Final = (
    *NEEDED,
    "DATA_BLOB_ENDPOINT",
    "TRAINING_DATA_CONTAINER",
    "EVENT_SUBSCRIPTION_PREFIX",
)
#: More of it where the hook makes the event subscriptions.
NEEDED_FOR_SUBSCRIPTIONS: Final = (
    "MODELS_CONTAINER",
    "DATA_TOPIC_ID",
    "MODELS_TOPIC_ID",
    "DEAD_LETTER_ACCOUNT_ID",
    "DEAD_LETTER_CONTAINER",
)

RunAzd = Callable[[Sequence[str]], str]


def run_azd(arguments: Sequence[str]) -> str:
    """Return what `azd` prints.

    Raises:
        HookError: it is not installed, or it failed; azd's own words are in the message.
    """
    command = ["azd", *arguments, "--no-prompt"]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_AZD_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise HookError(
            "azd is not on the PATH", "install the Azure Developer CLI (azd)", exit_code=WRONG_USE
        ) from None
    except subprocess.TimeoutExpired:
        what = f"`azd {arguments[0]} {arguments[1]}` did not end within {_AZD_SECONDS} s"
        raise HookError(what, "run it in a terminal: it may ask a question") from None
    if done.returncode:
        said = " ".join(done.stderr.split())[-400:]
        what = f"`azd {arguments[0]} {arguments[1]}` failed (exit code {done.returncode}): {said}"
        raise HookError(what, "log in with `azd auth login`, then repeat")
    return done.stdout


@dataclass
class Tokens:
    """Access tokens of the account that azd is logged in with; kept until a service refuses one."""

    azd: RunAzd
    secrets: Secrets
    _kept: dict[str, str] = field(default_factory=dict)

    def get(self, scope: str = "") -> str:
        """Return a token for a scope: that of Resource Manager unless another is named.

        Raises:
            HookError: azd gives none.
        """
        if scope not in self._kept:
            more = ["--scope", scope] if scope else []
            said = self.azd(["auth", "token", "--output", "json", *more])
            token = _object(said).get("token")
            if not isinstance(token, str) or not token:
                raise HookError("azd gave no token", "log in with `azd auth login`, then repeat")
            self._kept[scope] = self.secrets.add(token)
        return self._kept[scope]

    def forget(self, scope: str = "") -> None:
        """Ask azd again the next time."""
        self._kept.pop(scope, None)


@dataclass(frozen=True)
class Deployment:
    """The outputs of infra/main.bicep, by their names."""

    values: Mapping[str, str]

    @classmethod
    def read(cls, needed: Sequence[str], variables: Mapping[str, str], azd: RunAzd) -> "Deployment":
        """Return what the variables say; if some are missing, azd's environment is asked.

        Args:
            needed: names without which the hook cannot work.
            variables: the environment of the process, which azd fills for its hooks.
            azd: runs azd.

        Raises:
            HookError: something is not known.
        """
        values = {name: value for name, value in variables.items() if value.strip()}
        if any(name not in values for name in needed):
            said = _object(azd(["env", "get-values", "--output", "json"]))
            known = {name: value for name, value in said.items() if isinstance(value, str)}
            values = {name: value for name, value in known.items() if value.strip()} | values
        if missing := [name for name in needed if name not in values]:
            raise HookError(
                f"not known of the deployment: {', '.join(missing)}",
                "run `azd provision`, whose outputs these are; `azd env select` chooses another"
                " environment, `azd env get-values` shows what is known",
                exit_code=WRONG_USE,
            )
        found = cls(values)
        if "EVENT_DELIVERY" in needed:
            found.check_delivery()
        return found

    def __getitem__(self, name: str) -> str:
        return self.values[name].strip()

    def get(self, name: str) -> str:
        """Return an output that may be empty."""
        return self.values.get(name, "").strip()

    def check_delivery(self) -> None:
        """Refuse an unknown way of event delivery.

        Raises:
            HookError: it is unknown.
        """
        if self["EVENT_DELIVERY"] not in (QUEUE, BLOB_TRIGGER):
            raise HookError(
                f"EVENT_DELIVERY is {self['EVENT_DELIVERY']!r}",
                f"set the parameter eventDelivery to {QUEUE!r} or {BLOB_TRIGGER!r}, then run"
                " `azd provision`",
                exit_code=WRONG_USE,
            )

    @property
    def by_blob_trigger(self) -> bool:
        """Whether Event Grid calls the blob triggers; else it writes to the queues."""
        return self["EVENT_DELIVERY"] == BLOB_TRIGGER

    @property
    def scopes(self) -> list[str]:
        """The resources on which the app's identity has roles."""
        return self["ROLE_SCOPES"].split()

    @property
    def resource_manager(self) -> str:
        """The address of Resource Manager, without a slash at its end.

        Raises:
            HookError: it is not https.
        """
        url = (self.get(RESOURCE_MANAGER) or _PUBLIC_CLOUD).rstrip("/")
        required_https(url)
        return url

    @property
    def app(self) -> str:
        """The address of the function app."""
        return base_of(self["FUNCTION_APP_HOST"])


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
