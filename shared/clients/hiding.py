"""An `Http` that takes what was sent in secret out of error answers, before anybody reads them.

A service may repeat what it was sent. Whoever reads its errors knows the key of the call and
no other secret of the request, such as a connection string.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shared.clients.http import Answer, Http
from shared.core.redact import redact


@dataclass(frozen=True, slots=True)
class HidingHttp:
    """`Http` without `secrets` in the bodies of answers that are not 2xx."""

    http: Http
    secrets: tuple[str, ...] = field(repr=False)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send as `http` does. Raises as it does."""
        answer = self.http.send(method, url, headers, body)
        if answer.ok:
            return answer  # a job id may look like any short secret
        try:
            return replace(answer, body=self._clean(answer))
        except RecursionError:
            return replace(answer, body=b"")  # nested too deeply to be an error of the service

    def _clean(self, answer: Answer) -> bytes:
        decoded = answer.json()
        if decoded is None:
            return redact(answer.body.decode("utf-8", "replace"), *self.secrets).encode()
        return json.dumps(self._cleaned(decoded)).encode()

    def _cleaned(self, value: object) -> object:
        # Text by text: a secret cut out of the JSON itself could tear it.
        if isinstance(value, str):
            return redact(value, *self.secrets)
        if isinstance(value, list):
            return [self._cleaned(one) for one in value]
        if isinstance(value, dict):
            return {redact(k, *self.secrets): self._cleaned(one) for k, one in value.items()}
        return value
