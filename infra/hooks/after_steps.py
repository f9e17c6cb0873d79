"""The steps after a deployment: functions, event subscriptions, health, and an event as a test."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from app_functions import BLOB_FUNCTIONS, QUEUE_FUNCTIONS, expected_functions
from app_health import AppHealth
from calls import OK, Answer, Caller
from console import Console, HookError, ended_with
from environment import (
    NEEDED_FOR_EVENTS,
    NEEDED_FOR_SUBSCRIPTIONS,
    ROOT,
    Deployment,
    RunAzd,
    Tokens,
    run_azd,
)
from event_subscriptions import Subscriptions, left_over, webhooks
from resource_manager import ResourceManager
from scratch_event import WHAT, ScratchEvent

_ABOUT: Final = """\
azd runs this after each deployment; run it by hand as often as you like. It changes only what
differs:
  1. has the platform read the app's functions, and waits until all of them are there
  2. only for eventDelivery=blobTrigger: makes the event subscriptions of the blob triggers,
     whose webhook has a key that exists only now
  3. asks the app for its health; that the pipelines file is still missing is not a failure
  4. sends one event through the data container: writes a blob below .relearn/scratch/, which no
     pipeline takes, waits until the app has seen its event, and deletes the blob
"""
_MORE: Final = """\
It needs the outputs of infra/main.bicep. azd hands them in; run by hand, it reads them from the
environment that `azd env select` chose. Tokens come from `azd auth token`, so log in with
`azd auth login`. Your account needs Contributor on the resource group and, for the event, Storage
Blob Data Contributor on the data container. Where the storage is closed to this machine, the event
is not tried and the hook says so. In another cloud set AZURE_RESOURCE_MANAGER_URL.

exit codes: 0 done · 1 something is wrong: the message says what to do · 2 the hook could not begin

examples:
  python3 infra/hooks/after_deployment.py
  python3 infra/hooks/after_deployment.py --no-event
"""
_FUNCTIONS_SECONDS: Final = 300.0
_KEY_SECONDS: Final = 300.0
_SYNC_EVERY: Final = 6  #: asking for the functions ten seconds apart: once a minute
_EVERY: Final = 10.0


@dataclass
class AfterDeployment:
    """The steps of the hook, in their order."""

    deployment: Deployment
    tokens: Tokens
    console: Console
    expected: frozenset[str]

    def run(self, *, with_event: bool) -> None:
        """Do every step.

        Args:
            with_event: send an event through the data container, too.

        Raises:
            HookError: a step failed.
        """
        caller = Caller(self.console)
        manager = ResourceManager(self.deployment.resource_manager, self.tokens, caller)
        site = self.deployment["FUNCTION_APP_ID"]
        Functions(manager, site, self.console, self.expected).wait(self.deployment.by_blob_trigger)
        keys = Keys(manager, site, self.console)
        self._subscriptions(Subscriptions(manager, self.deployment, self.console), keys)
        health = AppHealth(
            self.deployment.app, caller, cache(lambda: keys.wait("functionKeys", "default"))
        )
        health.check()
        if not with_event:
            self.console.result(WHAT, "not tried", "--no-event was given")
            return
        self.console.step(WHAT)
        ScratchEvent(self.deployment, self.tokens, caller, health).try_it()

    def _subscriptions(self, subscriptions: Subscriptions, keys: "Keys") -> None:
        self.console.step("event subscriptions")
        if self.deployment.by_blob_trigger:
            key = keys.wait("systemKeys", "blobs_extension")
            for wanted in webhooks(self.deployment):
                state = subscriptions.ensure(wanted, key)
                text = f"{wanted.name}: to the webhook of {wanted.function}"
                self.console.result("event subscription", state, text)
        else:
            text = "those to the queue are made by `azd provision`"
            self.console.result("event subscription", "unchanged", text)
        for topic, name in left_over(self.deployment):
            if subscriptions.delete(topic, name):
                text = f"{name}: deleted, since nothing needs it any more"
                self.console.result("event subscription", "done", text)


@dataclass(frozen=True)
class Functions:
    """Waits until the platform knows the functions."""

    manager: ResourceManager
    site: str
    console: Console
    expected: frozenset[str]

    def wait(self, by_blob_trigger: bool) -> None:  # noqa: FBT001 - the deployment says it
        """Have the functions read again and again until all are there.

        Args:
            by_blob_trigger: which way events take.

        Raises:
            HookError: some are not there in time.
        """
        self.console.step(f"functions of the app: {len(self.expected)} are expected")
        asked, found, refused = 0, dict[str, bool](), ""

        def ask() -> bool | None:
            nonlocal asked, found, refused
            if asked % _SYNC_EVERY == 0:
                synced = self.manager.sync_triggers(self.site)
                if synced.status not in (OK, 204):
                    self.console.detail(f"the platform did not read them again: {synced.error}")
            asked += 1
            found, refused = self.manager.functions(self.site)
            return True if self.expected <= found.keys() else None

        if self.console.wait_for("the functions", ask, _FUNCTIONS_SECONDS, _EVERY) is None:
            raise self._missing(found, refused)
        self.console.result("functions", "done", f"all {len(self.expected)} are there")
        self._notes(found, by_blob_trigger=by_blob_trigger)

    def _missing(self, found: Mapping[str, bool], refused: str) -> HookError:
        missing = sorted(self.expected - found.keys())
        what = f"after {_FUNCTIONS_SECONDS:.0f} s the platform does not know: {', '.join(missing)}"
        if refused:
            advice = "the host of the app does not start: may its identity use the storage?"
            return HookError(f"{what} ({refused})", advice, known=10)
        if len(missing) < len(self.expected):
            advice = "is this the code that was deployed? Repeat `azd deploy`, then this hook"
            return HookError(what, advice, known=3)
        return HookError(
            f"the platform knows none of the app's {len(missing)} functions",
            "repeat `azd deploy`. If that does not help, the app cannot be imported there: run"
            " `python3.13 infra/hooks/package.py`, which imports it with its packages, and look at"
            " the exceptions in Application Insights",
            known=4,
        )

    def _notes(self, found: Mapping[str, bool], *, by_blob_trigger: bool) -> None:
        blob = [function.name for function in BLOB_FUNCTIONS]
        used, unused = (blob, QUEUE_FUNCTIONS) if by_blob_trigger else (QUEUE_FUNCTIONS, blob)
        if off := [name for name in used if found.get(name)]:
            text = f"disabled, though events are to reach them: {', '.join(off)}"
            self.console.result("functions", "note", text, "run `azd provision`")
        if on := [name for name in unused if found.get(name) is False]:
            text = f"not disabled, though nothing calls them: {', '.join(on)}"
            self.console.result("functions", "note", text)
        if more := sorted(found.keys() - self.expected):
            text = f"the platform knows others too: {', '.join(more)}"
            self.console.result("functions", "note", text)


@dataclass(frozen=True)
class Keys:
    """The keys of the app's host, which exist only after it has started."""

    manager: ResourceManager
    site: str
    console: Console

    def wait(self, group: str, name: str) -> str:
        """Return a key as soon as it exists.

        Args:
            group: `systemKeys` or `functionKeys`.
            name: of the key.

        Raises:
            HookError: it does not exist in time.
        """
        refused = ""

        def ask() -> str | None:
            nonlocal refused
            said = self.manager.host_keys(self.site)
            if isinstance(said, Answer):
                refused = said.error
                return None
            refused, keys = "", said.get(group)
            return str(keys.get(name) or "") or None if isinstance(keys, dict) else None

        key = self.console.wait_for(f"the key {name}", ask, _KEY_SECONDS, _EVERY)
        if key is not None:
            return key
        what = f"the app has no key {name} after {_KEY_SECONDS:.0f} s"
        if refused:
            advice = "the host of the app does not start: may its identity use the storage?"
            raise HookError(f"{what} ({refused})", advice, known=10)
        advice = "call `GET /api/health` once, so that the host starts, then repeat this hook"
        raise HookError(what, advice, known=6)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="after_deployment.py",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--no-event", action="store_true", help="do not send an event")
    return made


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
    given = parser().parse_args(arguments)
    shown = console or Console()

    def work() -> None:
        deployment = Deployment.read(NEEDED_FOR_EVENTS, variables, azd)
        if deployment.by_blob_trigger:
            needed = (*NEEDED_FOR_EVENTS, *NEEDED_FOR_SUBSCRIPTIONS)
            deployment = Deployment.read(needed, variables, azd)
        tokens = Tokens(azd, shown.secrets)
        steps = AfterDeployment(deployment, tokens, shown, expected_functions(ROOT))
        steps.run(with_event=not given.no_event)

    return ended_with(shown, work)
