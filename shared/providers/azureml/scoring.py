"""Scores rows at an online endpoint (azure-machine-learning-v2 §5.4).

The key or token stays in this process, and the redactor knows it.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from shared.core.names import digest
from shared.core.service import service
from shared.core.serving.probes import ProbeAnswers, ProbeOutcome
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.serving import ModelAnswer
from shared.providers.azureml.endpoint_calls import EndpointCalls
from shared.providers.azureml.errors import header
from shared.providers.azureml.json_answers import table_of
from shared.providers.http.client import Answer, Http
from shared.telemetry import log

#: Names the deployment that is to answer, and the one that did.
WHO: Final = "azureml-model-deployment"
_OWN_ID: Final = "x-ms-client-request-id"
_MODEL_STATUS: Final = "ms-azureml-model-error-statuscode"
_MODEL_REASON: Final = "ms-azureml-model-error-reason"
_RUN_FAILED: Final = "x-ms-run-function-failed"
#: What the front of the endpoint answers where the model's container did not answer 200.
_MODEL_FAILED: Final = 424
#: Statuses of the container that say it is busy, and of those that say the rows do not fit.
_MODEL_BUSY: Final = frozenset({"429"})
_ROWS_REFUSED: Final = frozenset({"400", "413", "415", "422"})
#: Answers about the request itself; redirects are not followed.
_REFUSED: Final = frozenset({301, 302, 303, 307, 308, 400, 405, 411, 413, 414, 415})
_AAD: Final = "aadtoken"
#: How a key or token is asked for, and the member that holds it.
_SOURCES: Final = {"key": ("listKeys", "primaryKey"), "amltoken": ("token", "accessToken")}
_LONGEST: Final = 300
_TIME: Final = "request_settings.request_timeout_ms of the deployment file"
#: A model that may take longer gets the time that writes get.
_USUAL_MS: Final = 15_000
_ROLE: Final = (
    "give the app's identity the role AzureML Data Scientist on the workspace, which holds "
    "onlineEndpoints/score/action, and let the app into the network of a private endpoint"
)
_ROWS: Final = "if the rows are not what the model takes, correct verify.rows"


@service
class Scoring:
    """Sends rows to one endpoint.

    Args:
        calls: the calls of the endpoint.
    """

    calls: EndpointCalls

    def score(self, rows: Mapping[str, Any], deployment: str = "") -> ProbeAnswers:
        """Return the answers for probe rows. No usable answer is one too.

        Args:
            rows: the body of the request, as it is sent.
            deployment: the deployment that is to answer; empty: whichever gets the request.

        Raises:
            PermanentError: it is not known where to send them.
        """
        request = digest(json.dumps(rows, sort_keys=True))
        found = self._sent(rows, deployment)
        if isinstance(found, Answer):
            found = self._read(found).evolve(answered_by=self._who(found))
        return found.evolve(request=request)

    def answer(self, rows: Mapping[str, Any], deployment: str) -> ModelAnswer:
        """Return the whole answer for rows, whose content is in no text. As `score`.

        Args:
            rows: the body of the request, as it is sent.
            deployment: the deployment that is to answer; empty: whichever gets the request.

        Raises:
            PermanentError: it is not known where to send them.
        """
        found = self._sent(rows, deployment)
        if isinstance(found, ProbeAnswers):
            return ModelAnswer(found.seen, detail=found.detail)
        known = replace(self._read_whole(found), answered_by=self._who(found))
        if found.status == HTTPStatus.NOT_FOUND and deployment:
            return replace(known, is_missing=self._is_missing(deployment))
        return known

    def _is_missing(self, deployment: str) -> bool:
        """Whether the workspace has no such deployment; its endpoint may just not know it yet."""
        try:
            return self.calls.deployment(deployment) is None
        except (TransientError, PermanentError):
            return False

    def _sent(self, rows: Mapping[str, Any], deployment: str) -> Answer | ProbeAnswers:
        """Return what the endpoint answered to a request, or why there is no answer."""
        try:
            uri, mode = self.calls.address()
        except TransientError as exc:
            return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=str(exc))
        if not uri:
            detail = f"endpoint {self.calls.name} has no address yet"
            return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=detail)
        self.calls.call.require(uri, f"score at endpoint {self.calls.name}")
        try:
            answer = self._answer(uri, mode, json.dumps(rows).encode(), deployment)
        except (TransientError, OutcomeUnknownError) as exc:
            self.calls.forget_address()
            return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=str(exc))
        except PermanentError as exc:
            return ProbeAnswers(seen=ProbeOutcome.REFUSED, detail=str(exc))
        if answer.status == HTTPStatus.NOT_FOUND:
            self.calls.forget_address()
        return answer

    def _who(self, answer: Answer) -> str:
        return self.calls.call.clean(header(answer, WHO))[:_LONGEST]

    def _answer(self, uri: str, mode: str, body: bytes, deployment: str) -> Answer:
        """Return the answer; the key or token is read again once where it is refused."""
        answer = self._send(uri, self._token(mode), body, deployment)
        if answer.status != HTTPStatus.UNAUTHORIZED or mode == _AAD:
            return answer
        self.calls.forget_key()
        return self._send(uri, self._token(mode), body, deployment)

    def _send(self, uri: str, token: str, body: bytes, deployment: str) -> Answer:
        own_id = f"relearn-{uuid.uuid4().hex}"
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            _OWN_ID: own_id,
        }
        if deployment:
            headers[WHO] = deployment
        answer = self._client.send("POST", uri, headers, body)
        if not answer.ok:
            text = "probe of endpoint %s: HTTP %s, request %s"
            log.warning(text, self.calls.name, answer.status, own_id)
        return answer

    @property
    def _client(self) -> Http:
        """The client that waits as long as a request to the deployment may take."""
        given = self.calls.endpoint.deployment.request_settings
        limit = given.request_timeout_ms if given else None
        return self.calls.call.slow if limit and limit > _USUAL_MS else self.calls.call.http

    def _token(self, mode: str) -> str:
        if mode == _AAD:
            token = self.calls.call.tokens(self.calls.call.scopes.ml)
            self.calls.call.redactor.learn(token)
            return token
        if mode not in _SOURCES:
            raise PermanentError(
                f"endpoint {self.calls.name}: its authMode is not one of Key, AMLToken, AADToken"
            )
        return self.calls.key(*_SOURCES[mode])

    def _read(self, answer: Answer) -> ProbeAnswers:
        if not answer.ok:
            return self._not_scored(answer)
        if header(answer, _RUN_FAILED).lower() == "true":
            detail = f"its scoring script failed: {self._words(answer)}"
            return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=detail)
        decoded = answer.json()
        if decoded is None and answer.text() != "null":
            return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail="the answer is not JSON")
        try:
            columns, rows = table_of(decoded, self.calls.call.clean)
        except RecursionError:
            return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer is nested too deeply")
        except ValueError as exc:
            words = f"{exc}: {self._words(answer)}"
            return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=words)
        return ProbeAnswers(seen=ProbeOutcome.GOOD, columns=columns, rows=rows)

    def _read_whole(self, answer: Answer) -> ModelAnswer:
        """Return the answer as it is; without a word of it where it is none."""
        if not answer.ok:
            said = f"HTTP {answer.status}"
            if answer.status == _MODEL_FAILED:
                status = "".join(filter(str.isdigit, header(answer, _MODEL_STATUS)[:3]))
                said = f"the model answered {status or 'an error'}"
            elif answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                said = f"{said}: {_ROLE}"
            elif answer.status == HTTPStatus.REQUEST_TIMEOUT:
                said = f"no answer of the model within {_TIME}"
            return ModelAnswer(self._not_scored(answer).seen, detail=said)
        if header(answer, _RUN_FAILED).lower() == "true":
            return ModelAnswer(ProbeOutcome.BROKEN, detail="its scoring script failed")
        decoded = answer.json()
        if decoded is None and answer.text() != "null":
            return ModelAnswer(ProbeOutcome.NO_ANSWER, detail="the answer is not JSON")
        return ModelAnswer(ProbeOutcome.GOOD, decoded)

    def _not_scored(self, answer: Answer) -> ProbeAnswers:
        detail = f"{self._words(answer)} (HTTP {answer.status})"
        if answer.status == _MODEL_FAILED:
            return self._of_model(answer)
        if answer.status == HTTPStatus.REQUEST_TIMEOUT:
            text = f"no answer of the model within {_TIME}: {detail}"
            return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=text)
        if answer.status in _REFUSED:
            return ProbeAnswers(seen=ProbeOutcome.REFUSED, detail=f"{detail}: correct verify.rows")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            # A new role shows late: it is not final.
            detail = f"{detail}: {_ROLE}"
        return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=detail)

    def _of_model(self, answer: Answer) -> ProbeAnswers:
        status = self.calls.call.clean(header(answer, _MODEL_STATUS))[:_LONGEST]
        reason = self.calls.call.clean(header(answer, _MODEL_REASON))[:_LONGEST]
        detail = f"the model answered {status or 'an error'}: {reason or self._words(answer)}"
        busy = status in _MODEL_BUSY
        if status in _ROWS_REFUSED:
            detail = f"{detail}: {_ROWS}"
        return ProbeAnswers(
            seen=ProbeOutcome.NO_ANSWER if busy else ProbeOutcome.BROKEN, detail=detail
        )

    def _words(self, answer: Answer) -> str:
        """Return the beginning of an answer, without secrets."""
        return self.calls.call.clean(answer.text())[:_LONGEST] or "no reason given"
