"""The step before a deployment: wait until the roles of the app's identity are in effect."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from calls import Caller
from console import Console, HookError, ended_with
from environment import NEEDED_FOR_ROLES, Deployment, RunAzd, Tokens, run_azd
from resource_manager import AUTHORIZATION, ForbiddenError, ResourceManager

_ABOUT: Final = """\
azd runs this before each deployment. A role that was given just now does not work yet everywhere:
the first deployment would fail with 403. So this waits until each role of the app's identity is two
minutes old. When they are, it takes a second.
"""
_MORE: Final = """\
It needs the outputs of infra/main.bicep: APP_PRINCIPAL_ID and ROLE_SCOPES. azd hands them in; run
by hand, it reads them from the environment that `azd env select` chose. Your account needs to read
role assignments (Reader, Contributor). In another cloud set AZURE_RESOURCE_MANAGER_URL.

exit codes: 0 done · 1 something is wrong: the message says what to do · 2 the hook could not begin

example:
  python3 infra/hooks/before_deployment.py
"""
_OLD_ENOUGH: Final = 120.0
_MOST_SECONDS: Final = 360.0
_EVERY: Final = 10.0


@dataclass
class Roles:
    """The role assignments of the app's identity."""

    deployment: Deployment
    manager: ResourceManager
    console: Console
    _unreadable: dict[str, str] = field(default_factory=dict)
    _ages: dict[str, list[float]] = field(default_factory=dict)

    def wait(self) -> None:
        """Wait until the roles on each resource are old enough.

        Raises:
            HookError: the identity has no role on a resource.
        """
        scopes = self.deployment.scopes
        self.console.step(f"roles of the app's identity on {len(scopes)} resources")
        old = self.console.wait_for("roles to be in effect", self._are_old, _MOST_SECONDS, _EVERY)
        if without := [_last(scope) for scope in scopes if self._ages.get(scope) == []]:
            raise HookError(
                f"the app's identity has no role on {', '.join(without)}",
                "run `azd provision`, which gives it its roles; in a pipeline the account needs the"
                " role User Access Administrator for that (failure 16)",
                known=10,
            )
        if self._unreadable:
            self._wait_blindly()
        elif old is None:
            text = f"some are not {_OLD_ENOUGH:.0f} s old after {_MOST_SECONDS:.0f} s of waiting"
            self.console.result("roles", "note", text)
        else:
            count = sum(len(ages) for ages in self._ages.values())
            text = f"{count} on {len(scopes)} resources, each at least {_OLD_ENOUGH:.0f} s old"
            self.console.result("roles", "done", text)

    def _are_old(self) -> bool | None:
        """Read the roles; return True if each resource that can be read has only old ones."""
        readable = [scope for scope in self.deployment.scopes if scope not in self._unreadable]
        for scope in readable:
            self._read(scope)
        ages = self._ages.values()
        return True if all(each and min(each) >= _OLD_ENOUGH for each in ages) else None

    def _read(self, scope: str) -> None:
        """Keep the age of each role on a resource, by the clock of the service."""
        query = {"$filter": f"principalId eq '{self.deployment['APP_PRINCIPAL_ID']}'"}
        resource = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        try:
            found = self.manager.listed(resource, AUTHORIZATION, query)
        except ForbiddenError as error:
            self._unreadable[scope] = error.what
            self.console.detail(error.what)
            return
        if found.refused:
            raise HookError(
                f"the roles on {_last(scope)} cannot be read: {found.refused}",
                "if it does not exist any more, run `azd provision`",
            )
        now = found.last.date or datetime.now(UTC)
        self._ages[scope] = [
            (now - given).total_seconds()
            for one in found.items
            if (given := _given_at(one.get("properties") or {})) is not None
        ]

    def _wait_blindly(self) -> None:
        """Wait as long as fresh roles need, since their age cannot be read."""
        self.console.detail(f"waiting {_OLD_ENOUGH:.0f} s in case they are new")
        self.console.clock.sleep(_OLD_ENOUGH)
        names = ", ".join(map(_last, self._unreadable))
        text = f"azd's account may not read those on {names}"
        advice = "with Reader there (roleAssignments/read) the hook waits only as long as needed"
        self.console.result("roles", "not tried", text, advice)


def _given_at(properties: Mapping[str, Any]) -> datetime | None:
    """Return when a role was given, or changed."""
    times = [properties.get(name) for name in ("createdOn", "updatedOn")]
    found = [datetime.fromisoformat(time) for time in times if isinstance(time, str)]
    return max((time if time.tzinfo else time.replace(tzinfo=UTC) for time in found), default=None)


def _last(scope: str) -> str:
    """Return the name of a resource."""
    return scope.rpartition("/")[2]


def main(
    arguments: Sequence[str] | None = None,
    variables: Mapping[str, str] = os.environ,
    console: Console | None = None,
    azd: RunAzd = run_azd,
) -> int:
    """Run the hook and return its exit code.

    Args:
        arguments: of the command line; None takes those of the process.
        variables: the environment.
        console: prints.
        azd: runs azd.
    """
    made = argparse.ArgumentParser(
        prog="before_deployment.py",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.parse_args(arguments)
    shown = console or Console()

    def work() -> None:
        deployment = Deployment.read(NEEDED_FOR_ROLES, variables, azd)
        tokens = Tokens(azd, shown.secrets)
        manager = ResourceManager(deployment.resource_manager, tokens, Caller(shown))
        Roles(deployment, manager, shown).wait()

    return ended_with(shown, work)
