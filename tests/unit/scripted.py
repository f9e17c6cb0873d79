"""A service with scripted answers, which keeps its requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.core.config.setting_references import resolve
from shared.errors import RelearnError
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall

KEY = "c2VjcmV0LWtleQ=="
SAS = "?sv=2021-08-06&sr=b&sig=c2lnbmF0dXJl%3D"
ENVIRONMENT = {"TRAINING_KEY": KEY, "ENDPOINT_KEY": KEY, "SCORE_KEY": "c2NvcmU=", "EMPTY": ""}


@dataclass(frozen=True)
class Sent:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass
class Script:
    """`Http` that gives its answers one after the other, the last one for ever."""

    answers: list[Answer | RelearnError]
    sent: list[Sent] = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.sent.append(Sent(method, url, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, RelearnError):
            raise answer
        return answer


def call(script: Script, api_key: str = "${TRAINING_KEY}") -> StudioCall:
    return StudioCall(script, lambda text: resolve(ENVIRONMENT, text), api_key)


def answering(body: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, json.dumps(body).encode())


def refuses(status: int, code: str, *details: str, message: str = "No.") -> Answer:
    """Answer with the documented envelope."""
    listed = [{"code": detail, "message": f"{detail} happened."} for detail in details]
    return answering({"error": {"code": code, "message": message, "details": listed}}, status)
