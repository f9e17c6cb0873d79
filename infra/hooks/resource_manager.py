"""Calls Azure Resource Manager: the app's functions and keys, roles, and event subscriptions."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from calls import ACCEPTED, FORBIDDEN, PASSING, UNAUTHORIZED, Answer, Caller
from console import HookError
from environment import Tokens

WEB: Final = "2024-11-01"
EVENT_GRID: Final = "2025-02-15"
AUTHORIZATION: Final = "2022-04-01"
_MOST_PAGES: Final = 50


@dataclass(frozen=True)
class Listed:
    """The items of a list, of all its pages."""

    items: list[dict[str, Any]]
    last: Answer  #: of the last page; or what refused one

    @property
    def refused(self) -> str:
        """Why the list could not be read; empty if it could."""
        return "" if self.last.status in ACCEPTED else self.last.error


@dataclass(frozen=True)
class ResourceManager:
    """Resource Manager, with a token of azd."""

    base: str  #: its address
    tokens: Tokens
    caller: Caller

    def send(
        self,
        method: str,
        resource: str,
        version: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        again: Collection[int] = PASSING,
    ) -> Answer:
        """Return an answer of any status; a token that is refused is replaced once.

        Args:
            method: of HTTP.
            resource: the id of a resource, with what follows it.
            version: of the API.
            body: JSON.
            query: parameters besides the version.
            again: which statuses are asked again.

        Raises:
            HookError: 403, or nothing answered.
        """
        parameters = urlencode({"api-version": version, **(query or {})})
        url = f"{self.base}/{resource.strip('/')}?{parameters}"
        return self._sent(method, url, body, again)

    def _sent(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        again: Collection[int] = PASSING,
    ) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        answer = self._authorized(method, url, content, again)
        if answer.status == UNAUTHORIZED:
            self.tokens.forget()
            answer = self._authorized(method, url, content, again)
        path = urlsplit(url).path
        if answer.status == UNAUTHORIZED:
            raise HookError(
                f"Resource Manager does not accept azd's token: {answer.error}",
                "log in to the subscription's tenant: `azd auth login --tenant-id …`, then repeat",
            )
        if answer.status == FORBIDDEN:
            raise ForbiddenError(method, path, answer)
        return answer

    def _authorized(
        self, method: str, url: str, content: bytes | None, again: Collection[int]
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.tokens.get()}", "Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        return self.caller.send(method, url, headers, content, again=again)

    def listed(self, resource: str, version: str, query: Mapping[str, str] | None = None) -> Listed:
        """Return every item of a list, however many pages it has.

        Args:
            resource: the id of a resource, with what follows it.
            version: of the API.
            query: more parameters.

        Raises:
            HookError: 403, nothing answered, or a page lies elsewhere.
        """
        answer = self.send("GET", resource, version, query=query)
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            if answer.status not in ACCEPTED:
                break
            page = answer.json()
            found += [one for one in page.get("value") or () if isinstance(one, dict)]
            following = str(page.get("nextLink") or "")
            if not following:
                break
            if urlsplit(following)[:2] != urlsplit(self.base)[:2]:
                raise HookError(
                    f"the next page of {resource} is at another host than {self.base}",
                    "report it: the token is not sent there",
                )
            answer = self._sent("GET", following)
        return Listed(found, answer)

    def sync_triggers(self, site: str) -> Answer:
        """Have the platform read the functions of the app again; return what it answered.

        Args:
            site: the id of the app.

        Raises:
            HookError: 403, or nothing answered.
        """
        return self.send("POST", f"{site}/host/default/sync", WEB, again=(408, 429))

    def functions(self, site: str) -> tuple[dict[str, bool], str]:
        """Return which functions the platform knows, and whether each is disabled; or why not.

        Args:
            site: the id of the app.

        Raises:
            HookError: 403, or nothing answered.
        """
        found: dict[str, bool] = {}
        listed = self.listed(f"{site}/functions", WEB)
        for one in listed.items:
            properties = one.get("properties") or {}
            # The name of the resource is `<app>/<function>`.
            name = str(properties.get("name") or one.get("name", "")).rpartition("/")[2]
            found[name] = bool(properties.get("isDisabled"))
        return found, listed.refused

    def host_keys(self, site: str) -> dict[str, Any] | Answer:
        """Return the keys of the app's host, all kept secret; or the answer that refused them.

        Args:
            site: the id of the app.

        Raises:
            HookError: 403, or nothing answered.
        """
        answer = self.send("POST", f"{site}/host/default/listkeys", WEB, again=(408, 429))
        if answer.status not in ACCEPTED:
            return answer
        found = answer.json()
        for group in found.values():
            for key in group.values() if isinstance(group, dict) else (group,):
                self.caller.console.secrets.add(str(key or ""))
        return found


class ForbiddenError(HookError):
    """Resource Manager refuses the account that azd is logged in with."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        super().__init__(
            f"azd's account may not do this: {method} {path}: {answer.error}",
            "have an owner give this account the role Contributor on the resource group, or the"
            " narrower rights of the table in docs/deploy.md; a role that was given just now takes"
            " some minutes",
        )
