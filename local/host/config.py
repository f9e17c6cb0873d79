"""Reads host.json and local.settings.json, and resolves `%SETTING%` expressions."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from local.host.messages import JsonObject
from shared.config.disabled import is_disabled

# Plans differ (5 minutes on Consumption, 30 elsewhere: azure-functions §1.2).
DEFAULT_FUNCTION_TIMEOUT: Final = 1800.0
_OVERRIDE: Final = "AzureFunctionsJobHost__"
_EXPRESSION: Final = re.compile(r"%([^%]+)%")
_TIME_SPAN: Final = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")


class RefusedError(Exception):
    """The app or its settings cannot be served; the message says what to change."""


@dataclass(frozen=True)
class HostConfig:
    """The whole configuration of the host.

    Args:
        app: the folder that holds function_app.py.
        environment: what the worker gets as its environment (never logged).
        host: host.json with the overrides from the settings applied.
        poll_blobs: seconds between two listings of a container; 0: it is never listed.
        function_timeout: seconds an invocation may run; None is without end.
    """

    app: Path
    environment: Mapping[str, str] = field(repr=False)
    host: JsonObject
    poll_blobs: float
    function_timeout: float | None

    @classmethod
    def load(
        cls,
        app: Path,
        settings: Path | None = None,
        *,
        poll_blobs: float = 1.0,
        function_timeout: float | None = None,
    ) -> Self:
        """Read both files.

        Settings go over variables of the same name, so that a name left in a shell cannot lead
        a local run to real storage. (Core Tools does it the other way round.)

        Raises:
            RefusedError: a file is missing or is not what it should be.
        """
        app = app.resolve()
        if not (app / "function_app.py").is_file():
            raise RefusedError(f"no function_app.py in {app}")
        values = _read_settings(settings or app / "local.settings.json", required=bool(settings))
        defaults = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
        environment = {**defaults, **os.environ, **values}
        host = _overridden(_read_json(app / "host.json"), environment)
        if function_timeout is None:
            function_timeout = parse_timeout(host.get("functionTimeout"))
        elif function_timeout < 0:
            function_timeout = float("inf")
        return cls(
            app=app,
            environment=environment,
            host=host,
            poll_blobs=poll_blobs,
            function_timeout=None if function_timeout == float("inf") else function_timeout,
        )

    @property
    def host_id(self) -> str:
        """Return the id of the host, for its receipts: a setting, or derived from the folder."""
        given = self.environment.get("AzureFunctionsWebHost__hostid")
        return given or "local-" + hashlib.sha256(str(self.app).encode()).hexdigest()[:16]

    @property
    def route_prefix(self) -> str:
        """Return what is before each route, without slashes."""
        return str(self.extension("http").get("routePrefix", "api")).strip("/")

    def extension(self, name: str) -> JsonObject:
        """Return one section of `extensions` in host.json, empty when absent."""
        found = self.host.get("extensions", {}).get(name, {})
        return found if isinstance(found, dict) else {}

    def disabled(self, function: str) -> bool:
        """Whether a setting keeps the trigger of a function from being served."""
        return is_disabled(self.environment, function)

    def resolve(self, text: str, function: str) -> str:
        """Return `text` with each `%SETTING%` replaced by its value.

        Raises:
            RefusedError: there is no such setting.
        """

        def value(found: re.Match[str]) -> str:
            if found[1] not in self.environment:
                raise RefusedError(
                    f"function {function}: {found[0]} has no value; add the setting {found[1]}"
                )
            return self.environment[found[1]]

        return _EXPRESSION.sub(value, text)


def parse_timeout(value: object) -> float:
    """Return the seconds of a functionTimeout such as `00:05:00`; infinity for `-1`.

    Raises:
        RefusedError: it is not a time span.
    """
    if value is None:
        return DEFAULT_FUNCTION_TIMEOUT
    if str(value) == "-1":
        return float("inf")
    found = _TIME_SPAN.fullmatch(str(value))
    if found is None:
        raise RefusedError(f"functionTimeout {value!r} is not of the form hh:mm:ss")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _read_json(path: Path) -> JsonObject:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise RefusedError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise RefusedError(f"{path} holds no JSON object")
    return found


def _read_settings(path: Path, *, required: bool) -> dict[str, str]:
    if not required and not path.exists():
        return {}
    content = _read_json(path)
    values = content.get("Values", {})
    if content.get("IsEncrypted") or not isinstance(values, dict):
        raise RefusedError(f"{path} must be unencrypted and hold its settings under Values")
    if bad := [name for name, value in values.items() if not isinstance(value, str)]:
        raise RefusedError(f"{path}: these values are not text: {', '.join(bad)}")
    return values


def _overridden(host: JsonObject, environment: Mapping[str, str]) -> JsonObject:
    # A setting AzureFunctionsJobHost__a__b counts before a.b of host.json.
    for name in environment:
        if name.startswith(_OVERRIDE):
            *parents, last = name.removeprefix(_OVERRIDE).split("__")
            section: Any = host
            for parent in parents:
                section = section.setdefault(parent, {})
            section[last] = environment[name]
    return host
