"""The client of a Studio Classic endpoint (studio-classic §2, §3)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote

from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import Create, Verify
from shared.core.config.studio_types import MODEL_FOLDERS, is_model_path
from shared.core.service import service
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from shared.errors import PermanentError, RelearnError, TransientError
from shared.ports.storage import Access, Blobs
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.management import ManagedEndpoint, StudioManagement, read_endpoint
from shared.providers.studio.scoring import Current, score, scoring_url

#: As long as the service's own signatures live; when it reads the blob is unknown (design rule 11).
_SIGNED_FOR: Final = timedelta(hours=24)
_NOT_FOUND: Final = 404
_NOT_REPORTED: Final = frozenset({401, 403, 404, 405, 501})


@service
class StudioClassicEndpoint:
    """One endpoint of a Classic predictive web service.

    A PATCH is accepted at once and served about half a minute later; there is no status to
    ask for, so a status check scores the probe rows.

    Args:
        call: with the key for this endpoint: its own, or a workspace token.
        scoring: with the key for scoring; None: the one that the service returns.
        update_url: `…/webservices/{id}/endpoints/{name}`.
        resource: the updatable resource.
        verify: the probe; None: nothing is scored.
        models: where models are, to sign for them.
        models_container: the container of the models that may be signed for.
        allowed: returns a URL of an answer, or raises ValueError.
        manage: with a workspace token, for what an endpoint's own key may not do.
        create: how to make the endpoint where it does not exist; None: it must exist.
    """

    call: StudioCall
    scoring: StudioCall | None
    update_url: str
    resource: str
    verify: Verify | None
    models: Blobs
    models_container: str
    allowed: Callable[[str], str]
    manage: StudioCall | None = None
    create: Create | None = None

    def ensure(self) -> None:
        """Make the endpoint where it does not exist and `create` says how."""
        # By the token: what does not exist has no key, and a key of before would be refused.
        if self.create is None or self._by_token.ask(self._name).status != _NOT_FOUND:
            return
        self._by_token.create(self._name, self.create)

    def current(self) -> Current:
        """Return what the endpoint was last given; empty where the service does not say it.

        Not every key may read an endpoint that it may update, so a refusal says nothing.
        """
        answer = self.answer()
        if answer.ok:
            return _current(read_endpoint(answer, self._name), self.resource)
        if answer.status == _NOT_FOUND and self.create is not None:
            raise TransientError(f"endpoint {self._name} was made and is not shown yet")
        if answer.status == _NOT_FOUND and self.manage is not None:
            raise self._missing()
        if answer.status in _NOT_REPORTED:
            return Current(refreshable=answer.status != _NOT_FOUND)
        raise self._management.refusal(answer, "check the endpoint")

    def answer(self) -> Answer:
        """Return what the service answers about the endpoint. Raises TransientError."""
        return self._management.ask(self._name)

    def update(self, model: BlobVersion) -> None:
        """PATCH the endpoint with a freshly signed URL of `model`.

        Only here a service gets the right to read a blob as a model.
        """
        if model.container != self.models_container or not is_model_path(model.name):
            raise PermanentError(
                f"{model.path} is not a model of this app: only blobs below "
                f"{', '.join(f'{folder}/' for folder in MODEL_FOLDERS)} of container "
                f"{self.models_container} are signed for an endpoint to read: retry with one of "
                "them, or cancel the run"
            )
        blob = self.models.sign(model.container, model.name, Access.READ, _SIGNED_FOR)
        self._management.patch(self._name, {self.resource: blob})

    def refresh(self) -> None:
        """Have the endpoint take the model of its service."""
        self._by_token.refresh(self._name)

    def score(self, rows: dict[str, Any]) -> ProbeAnswers:
        """Return the answers for these rows."""
        return self._scored(self._known(), rows)

    def check(self, operation: str | None = None) -> EndpointCheck:
        """Score the probe rows and read back what the endpoint was given."""
        del operation  # there is none to ask for
        reported = self._known()
        current = _current(reported, self.resource) if reported else Current()
        # After a question mark there would be a signature.
        named = current.location[1].lstrip("/").partition("?")[0] if current.location else None
        return EndpointCheck(UpdateProgress.NOT_REPORTED, self._probe(reported), configured=named)

    def _reported(self) -> ManagedEndpoint | None:
        try:
            return self._management.get(self._name)
        except RelearnError:
            return None  # not every key may read; the probe says what serves

    def _known(self) -> ManagedEndpoint | None:
        reported = self._reported()
        if reported is not None:
            # A service may repeat it where it likes.
            self.call.redactor.learn_from_service(reported.primary_key)
        return reported

    def _probe(self, reported: ManagedEndpoint | None) -> ProbeAnswers | None:
        return self._scored(reported, self.verify.rows) if self.verify is not None else None

    def _scored(self, reported: ManagedEndpoint | None, rows: dict[str, Any]) -> ProbeAnswers:
        url, call = self.verify.score if self.verify else None, self.scoring
        if url is None or call is None:
            if reported is None:
                detail = "the endpoint does not report its scoring URL and key now"
                return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=detail)
            url = url or self._scoring_url(reported, rows)
            call = call or self._scoring_call(reported)
        return score(call, url, rows)

    def _scoring_url(self, reported: ManagedEndpoint, rows: dict[str, Any]) -> str:
        if not reported.api_location:
            raise PermanentError(
                f"endpoint {self._name} does not report its scoring URL: write `verify.score`"
            )
        try:
            return self.allowed(scoring_url(reported.api_location, rows))
        except ValueError as exc:
            raise PermanentError(f"endpoint {self._name} reports a scoring URL: {exc}") from None

    def _scoring_call(self, reported: ManagedEndpoint) -> StudioCall:
        if not reported.primary_key:
            raise PermanentError(
                f"endpoint {self._name} does not report its key: write `verify.api_key`"
            )
        return self.call.with_key(reported.primary_key)

    def _missing(self) -> RelearnError:
        try:
            names = ", ".join(one.name for one in self._by_token.endpoints()) or "none"
        except TransientError as exc:
            return exc
        except PermanentError as exc:
            names = f"not reported ({exc})"
        return PermanentError(
            f"there is no endpoint {self._name}; there is {names}: correct `update`, "
            "or write `create: true`"
        )

    @property
    def _name(self) -> str:
        return unquote(self.update_url.rsplit("/", 1)[1])

    @property
    def _management(self) -> StudioManagement:
        return StudioManagement(self.call, self._service)

    @property
    def _by_token(self) -> StudioManagement:
        return StudioManagement(self.manage or self.call, self._service)

    @property
    def _service(self) -> str:
        return self.update_url.rsplit("/endpoints/", 1)[0]


def _current(reported: ManagedEndpoint, resource: str) -> Current:
    if reported.resources is None:
        return Current(refreshable=True)
    blob = reported.resources.get(resource)
    names = tuple(reported.resources)
    if blob is None:
        return Current(resources=names, refreshable=True)
    location = (blob.account_url, blob.path, blob.signature)
    return Current(location, names, refreshable=True)
