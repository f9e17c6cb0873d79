"""The `Http` port over the stand-in in memory, for the real clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.core.credentials import AccessToken

from local.studio import Studio, WireAnswer, WireRequest
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults


@dataclass
class StudioHttp:
    studio: Studio
    faults: Faults = field(default_factory=Faults)
    sent: list[str] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)  #: what the service really got
    answers: "list[Callable[[str, str], Answer | None]]" = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        path = url.partition("?")[0]
        self.sent.append(f"{method} {path}")

        def do() -> Answer:
            self.arrived.append(f"{method} {_role(path)}")
            for scripted in self.answers:
                if (answer := scripted(method, path)) is not None:
                    return answer
            got: WireAnswer = self.studio.handle(WireRequest(method, url, headers, body or b""))
            return Answer(got.status, got.headers, got.body)

        if method == "GET" or path.endswith("/execute"):
            return do()
        return self.faults.effect(f"{method} {_role(path)}", do, _torn)


def _torn(answer: Answer) -> Answer:
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def _role(path: str) -> str:
    last = path.rsplit("/", maxsplit=1)[-1]
    return (
        last if last in ("jobs", "start", "refresh") else "job" if "/jobs/" in path else "endpoint"
    )


@dataclass
class FixedCredential:
    """An identity that is always given the same token."""

    token: str
    scopes: list[str] = field(default_factory=list)

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken(self.token, 0)
