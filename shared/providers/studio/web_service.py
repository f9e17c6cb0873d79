"""The client of a New (Resource Manager) web service (studio-classic §4).

An update is the whole definition, sent by PATCH: what GET gives, with the URI of the trained
model exchanged. (Never by PUT, which would lose the keys that GET leaves out.) It is carried
out later, so a status check asks the operation, reads the definition back, and scores the probe
rows.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import Verify
from shared.core.secret_shapes import Cleaner
from shared.core.service import service
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Blobs
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.errors import explained, read_error, sort_refusal
from shared.providers.studio.scoring import Current, score, scoring_url
from shared.providers.studio.web_service_definition import (
    Definition,
    chosen_model,
    member,
    trained_models,
    with_model,
)

_NOT_FOUND: Final = 404
_PENDING: Final = frozenset({"provisioning", "unknown", "accepted", "running", "inprogress"})
_FAILED: Final = frozenset({"failed", "canceled", "cancelled"})
_NO_REASON: Final = "no reason given"
_SWAGGER: Final = "/swagger.json"


@service
class StudioWebService:
    """One New web service; it has no endpoints besides itself.

    Args:
        call: with a Resource Manager token.
        update_url: the service's Resource Manager URL, api-version included.
        resource: the name of its trained model; None: the only one.
        verify: the probe; None: nothing is scored.
        models: where models are; must be the service's own storage account.
        allowed: returns a URL of an answer, or raises ValueError.
        scoring: with the key for scoring; None: the service's primary key, by listKeys.
    """

    call: StudioCall
    update_url: str
    resource: str | None
    verify: Verify | None
    models: Blobs
    allowed: Callable[[str], str]
    scoring: StudioCall | None = None

    def ensure(self) -> None:
        """Do nothing: New web services are not made from here."""

    def current(self) -> Current:
        """Return the model that the definition names. Raises as the port says."""
        definition = self._definition()
        _, uri = chosen_model(definition, self.resource)
        names = tuple(trained_models(definition))
        if not uri:
            return Current(resources=names)
        base, relative = self._split(uri)
        _, marked, query = uri.partition("?")
        return Current((base, relative, f"{marked}{query}"), names)

    def update(self, model: BlobVersion) -> str | None:
        """PATCH the whole definition with `model` in it, and return the operation's URL."""
        definition = self._definition()
        self._may_change(definition)
        name, _ = chosen_model(definition, self.resource)
        uri = f"{self.models.account_url}{quote(model.path)}"
        body = with_model(definition, name, uri)
        answer = self.call.write("PATCH", self.update_url, "update the web service", body)
        return self._operation(answer)

    def refresh(self) -> str | None:
        """Refuse: such a service has no model of its own to take."""
        raise PermanentError("a New web service cannot be refreshed: name a model to roll back to")

    def score(self, rows: dict[str, Any]) -> ProbeAnswers:
        """Return the answers for these rows."""
        url = self.verify.score if self.verify else None
        url = url or self._scoring_url(self._definition(), rows)
        return score(self.scoring or self._scoring_call(), url, rows)

    def check(self, operation: str | None = None) -> EndpointCheck:
        """Ask the operation, read the definition back, and score the probe rows."""
        progress, detail = self._followed(operation)
        definition = self._definition()
        if progress is UpdateProgress.DONE:
            progress, detail = _state(definition, self.call.clean)
        _, uri = chosen_model(definition, self.resource)
        named = self._split(uri)[1] if uri else None
        return EndpointCheck(progress, self._probe(definition), configured=named, detail=detail)

    def _followed(self, operation: str | None) -> tuple[UpdateProgress, str]:
        if operation is None:
            return UpdateProgress.DONE, ""
        answer = self.call.any_answer("GET", operation)
        if answer.status == _NOT_FOUND:
            return UpdateProgress.DONE, ""  # forgotten: the definition has the last word
        if not answer.ok:
            raise self._refusal(answer, "check the update of the web service")
        return _state({"properties": answer.json()}, self.call.clean)

    def _definition(self) -> Definition:
        answer = self.call.read("GET", self.update_url, "check the web service")
        reported = answer.json()
        if not isinstance(reported, dict) or not isinstance(member(reported, "properties"), dict):
            raise TransientError("check the web service: the answer is not a definition")
        return reported

    def _may_change(self, definition: Definition) -> None:
        if member(definition, "properties", "readOnly") is True:
            raise PermanentError(
                "the web service is readOnly: it can only be removed; "
                "deploy it anew and correct `update`"
            )
        own = member(definition, "properties", "storageAccount", "name")
        if own and str(own).lower() != self.models.account.lower():
            raise PermanentError(
                f"the web service reads models from storage account {own} only, and they are in "
                f"{self.models.account}, which is not the service's own: "
                "set ModelsStorage to that account"
            )

    def _operation(self, answer: Answer) -> str | None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        url = headers.get("azure-asyncoperation", "").strip()
        try:
            asked, here = urlsplit(url), urlsplit(self.update_url)
        except ValueError:
            return None  # no URL at all, and the update was taken
        if (asked.scheme, asked.netloc.lower()) != (here.scheme, here.netloc.lower()):
            return None  # the token must not travel to another host; the definition will do
        # Nothing else of its query is kept: newer ones are signed.
        versions = [pair for pair in parse_qsl(asked.query) if pair[0].lower() == "api-version"]
        query = urlencode(versions or parse_qsl(here.query))
        return urlunsplit((asked.scheme, asked.netloc, asked.path, query, ""))

    def _split(self, uri: str) -> tuple[str, str]:
        """Return a model's base location and its path below, as one piece of text each."""
        try:
            parts = urlsplit(uri)
        except ValueError:
            return "", uri.partition("?")[0]  # not a URL at all: returned as it is
        own = urlsplit(self.models.account_url)
        base = own.path if parts.netloc.lower() == own.netloc.lower() else "/"
        base = base if parts.path.startswith(base) else "/"
        relative = unquote(parts.path.removeprefix(base)).lstrip("/")
        return urlunsplit((parts.scheme, parts.netloc, base, "", "")), relative

    def _probe(self, definition: Definition) -> ProbeAnswers | None:
        if self.verify is None:
            return None
        url = self.verify.score or self._scoring_url(definition, self.verify.rows)
        return score(self.scoring or self._scoring_call(), url, self.verify.rows)

    def _scoring_url(self, definition: Definition, rows: dict[str, Any]) -> str:
        swagger = str(member(definition, "properties", "swaggerLocation") or "")
        base = swagger.partition("?")[0]
        if not base.lower().endswith(_SWAGGER):
            raise PermanentError(
                "the web service does not report its scoring URL: write `verify.score`"
            )
        try:
            return self.allowed(scoring_url(base[: -len(_SWAGGER)], rows))
        except ValueError as exc:
            raise PermanentError(f"the web service reports a scoring URL: {exc}") from None

    def _scoring_call(self) -> StudioCall:
        scheme, host, path, query, _ = urlsplit(self.update_url)
        url = urlunsplit((scheme, host, f"{path}/listKeys", query, ""))
        reported = self.call.read("GET", url, "read the web service's keys").json()
        key = member(reported, "primary")
        if not isinstance(key, str) or not key:
            raise PermanentError("the web service does not report its key: write `verify.api_key`")
        return self.call.with_key(key)

    def _refusal(self, answer: Answer, what: str) -> Exception:
        return sort_refusal(answer, what, self.call.clean, write=False)


def _state(reported: Any, clean: Cleaner) -> tuple[UpdateProgress, str]:
    """Return the state of an update: given as `provisioningState`, not as the usual `status`."""
    properties = member(reported, "properties")
    state = member(properties, "provisioningState") or member(properties, "status") or ""
    if str(state).lower() in _PENDING:
        return UpdateProgress.PENDING, f"the service says {state}"
    if str(state).lower() not in _FAILED:
        return UpdateProgress.DONE, ""
    error = member(properties, "errorInfo") or member(properties, "error")
    reason = explained(read_error(error, 0, clean)) if isinstance(error, dict) else _NO_REASON
    return UpdateProgress.FAILED, reason
