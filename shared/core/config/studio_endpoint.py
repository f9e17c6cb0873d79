"""One scoring endpoint of pipelines.yaml: its URLs, its probe rows and its keys."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from shared.core.config.cross_field import UNKNOWN, is_unknown, together
from shared.core.config.endpoint import ScoringEndpoint
from shared.core.config.pattern import fill, refuse_foreign, tokens_of
from shared.core.config.problems import Mistake
from shared.core.config.studio_types import (
    STUDIO,
    Identity,
    ScoreUrl,
    checked_url,
    endpoint_identity,
)
from shared.core.config.studio_urls import filled_url, update_url, web_service_url
from shared.core.config.types import SecretReference, Span, Strict, parse_duration
from shared.core.hosts import is_loopback
from shared.core.serving.references import EndpointRef

_MAX_PROBE_ROWS: Final = 100
#: Classic switches after half a minute; a New service provisions for minutes
#: (studio-classic §3, §4).
_WITHIN: Final = {"classic": "3m", "webservice": "15m"}


def _checked_resource(name: str) -> str:
    refuse_foreign(name)
    return name


Resource = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_checked_resource),
]


class Verify(Strict):
    """How an update is verified: fixed probe rows are scored before and after it."""

    score: ScoreUrl | None = Field(
        default=None,
        description="Request-response URL of the same endpoint; if left out, it is read from the "
        "endpoint.",
    )
    rows: Annotated[
        dict[str, Any],
        WithJsonSchema({"type": "string", "examples": ["probes/census.json"]}),
    ] = Field(
        description="JSON file with the request body to score, in the folder of pipelines.yaml or "
        "below it."
    )
    within: Span | None = Field(
        default=None,
        description="How long the endpoint may take to serve the new model; by default 3m for "
        "classic, 15m for webservice. It has to pass over at least three probes in a row before "
        "a model counts as broken or unchanged.",
    )
    api_key: SecretReference | None = Field(
        default=None,
        description="App setting with the key for scoring, as ${NAME}, if it is not the key for "
        "the update.",
    )

    @together
    def _a_request(self) -> Iterator[Mistake]:
        if probe_rows(self.rows) is None:
            yield Mistake(
                "not a scoring request",
                '{"Inputs": {"input1": {"ColumnNames": […], '
                f'"Values": [[…]]}}}}}} with 1 to {_MAX_PROBE_ROWS} rows',
                ("rows",),
            )


class Create(Strict):
    """How Relearn creates a Classic endpoint; the names are Microsoft's."""

    # See studio-classic §3.
    Description: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="made by Relearn", description="The endpoint's description at the service."
    )
    ThrottleLevel: Literal["Low", "High"] = Field(
        default="Low", description="The endpoint's throttle level."
    )
    MaxConcurrentCalls: Annotated[int, Field(ge=1, le=200)] | None = Field(
        default=None, description="The most calls at a time."
    )
    PreventUpdate: bool = Field(
        default=False, description="Sent as it is; its effect is not documented."
    )


class StudioEndpoint(ScoringEndpoint):
    """A scoring endpoint that is updated with the new model."""

    kind: Literal["classic", "webservice"] = Field(
        default="classic",
        description="classic: a Classic endpoint; webservice: a New (Resource Manager) service.",
    )
    update: str = Field(
        description="classic: management URL of the endpoint; webservice: its Resource Manager "
        "URL. The path may hold {tokens} of data.blob. The default endpoint cannot be updated."
    )
    api_key: SecretReference | None = Field(
        default=None,
        description="App setting with the endpoint's own key, as ${NAME}; for a webservice only "
        "where azure-identity is not used: a Resource Manager token.",
    )
    workspace_token: SecretReference | None = Field(
        default=None,
        description="Classic, instead of api_key: app setting with a workspace authorization "
        "token, as ${NAME}. It manages every endpoint of the workspace.",
    )
    create: bool | Create = Field(
        default=False,
        description="Create the Classic endpoint if it does not exist: true, or with these values.",
    )
    resource: Resource | None = Field(
        default=None,
        description="The updatable resource as its help page names it, … [trained model]. Required "
        "for classic, and for a webservice with several trained models.",
    )
    verify: Verify | None = Field(
        default=None, description="How an update is verified; without it, updates are unproven."
    )

    @field_validator("update")
    @classmethod
    def _update_of_its_kind(cls, text: Any, info: ValidationInfo) -> Any:
        if text is UNKNOWN or (info.context is not None and "kind" not in info.data):
            return text  # of which kind it should be is not known
        new = info.data.get("kind") == "webservice"
        return checked_url(text, web_service_url if new else update_url, info)

    @together
    def _none_of_a_classic_one(self) -> Iterator[Mistake]:
        given = self.workspace_token is not None or self.create is not False
        if self.kind == "webservice" and given:
            yield Mistake(
                "workspace_token and create are for Classic endpoints",
                "remove them; a webservice is reached by azure-identity",
            )

    @together
    def _a_resource(self) -> Iterator[Mistake]:
        if self.resource is None and self.kind == "classic":
            yield Mistake(
                "resource is missing",
                "the name under Updatable Resources on the endpoint's "
                "Update Resource help page, such as 'Census Model [trained model]'",
            )

    @together
    def _a_key(self) -> Iterator[Mistake]:
        if self.workspace_token is not None or self.kind != "classic":
            return
        if self.api_key is None:
            yield Mistake("api_key or workspace_token is missing", "give one, as ${NAME}")
        if self.create is not False and self.create:
            yield Mistake("create needs a workspace_token", "an endpoint has no key before")
        if self.tokens:
            yield Mistake(
                "an endpoint with {tokens} needs a workspace_token", "one key fits one endpoint"
            )

    @property
    def key(self) -> str | None:
        """The `${NAME}` that authorises updates; None where azure-identity does."""
        return self.api_key or self.workspace_token

    @property
    def rows(self) -> dict[str, Any] | None:
        """The probe rows; None: nothing is scored."""
        return self.verify.rows if self.verify else None

    @property
    def within(self) -> timedelta:
        """How long the endpoint may take to switch."""
        given = self.verify.within if self.verify else None
        return given or parse_duration(_WITHIN[self.kind])

    @property
    def shows(self) -> bool:
        """Whether a probe can recognise an update: by probe rows, or by the model that it names."""
        return self.verify is not None or self.kind == "webservice"

    @property
    def resource_name(self) -> str:
        """The name of the resource in the endpoint state; empty for the only one."""
        return self.resource or ""

    @property
    def address(self) -> str:
        """Where calls to the endpoint go."""
        return self.update

    @property
    def probed_at(self) -> str:
        """Where its probes go, as far as it is known."""
        return self.verify.score if self.verify and self.verify.score else self.update

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs and ids that the file says, by their keys."""
        return {"update": self.update}

    @property
    def path_and_host(self) -> tuple[str, str] | None:
        """Its web service without its host, and the host; on this machine ports tell apart."""
        if is_unknown(self.update) or is_loopback(self.update):
            return None
        known = endpoint_identity(self.update)
        return known.parent, known.where

    @property
    def ref(self) -> EndpointRef:
        """The endpoint, as its service identifies it."""
        known = endpoint_identity(self.update)
        return EndpointRef(provider=STUDIO, identity=f"{known.where}{known.path}", name=self.update)

    def for_resource(self, resource_name: str) -> "StudioEndpoint":
        """Return the endpoint with another of its resources to be updated."""
        return self.evolve(resource=resource_name or None)

    @property
    def identity(self) -> tuple[Identity, str]:
        """The identity of this resource, for any host in its URL."""
        return endpoint_identity(self.update), self.resource_name

    @property
    def tokens(self) -> tuple[str, ...]:
        """The `{tokens}` that this endpoint is chosen by."""
        score = self.verify.score if self.verify else None
        return tokens_of(" ".join(filter(None, (self.update, self.resource, score))))

    def chosen_by(self, tokens: Mapping[str, str]) -> "StudioEndpoint":
        """Return the endpoint that `tokens` choose.

        Raises:
            ValueError: a value cannot be part of such a URL; the message says why.
        """
        if not self.tokens:
            return self
        for token in self.tokens:
            if {"{", "}"} & set(tokens.get(token, "")):
                raise ValueError(f"{tokens[token]!r} holds a brace")
        check = web_service_url if self.kind == "webservice" else update_url
        update = filled_url(self.update, tokens)
        if check(update) != update:  # a correction could name another host here
            raise ValueError(f"{update} is not a URL that an endpoint can have")
        changes: dict[str, object] = {"update": update}
        if self.resource:
            changes["resource"] = fill(self.resource, tokens)
        if self.verify and self.verify.score:
            score = filled_url(self.verify.score, tokens)
            changes["verify"] = self.verify.evolve(score=score)
        return self.evolve(**changes)


def probe_rows(request: dict[str, Any]) -> int | None:
    """Return how many rows a scoring request holds, or None when it is none.

    Both documented forms count: columns and values, and a list of row objects
    (studio-classic §2).
    """
    inputs = request.get("Inputs")
    if not isinstance(inputs, dict) or not inputs:
        return None
    first = next(iter(inputs.values()))
    if isinstance(first, dict):
        rows, shaped = first.get("Values"), isinstance(first.get("ColumnNames"), list)
    else:
        rows = first
        shaped = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not shaped or not isinstance(rows, list) or not 1 <= len(rows) <= _MAX_PROBE_ROWS:
        return None
    return len(rows)
