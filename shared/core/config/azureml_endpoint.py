"""A managed online endpoint of Azure Machine Learning, and how it is given a new model."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from shared.core.config.azureml_models import AZUREML
from shared.core.config.azureml_names import ApiVersion, Workspace, WorkspaceId, workspace_of
from shared.core.config.azureml_parts import NEWEST_VERSION
from shared.core.config.cross_field import together
from shared.core.config.endpoint import ScoringEndpoint
from shared.core.config.pattern import fill, tokens_of
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.types import Duration, Span, Strict, parse_duration
from shared.core.serving.references import EndpointRef

#: Names of endpoints and deployments; traffic keys are written in lower case
#: (azure-machine-learning-v2 §5.1).
LEGAL_NAME: Final = re.compile(r"(?=.{3,32}$)[a-z](?:-?[a-z0-9])*")
_WITHIN: Final = "5m"
_STEPS: Final = (10, 50, 100)
_ALL: Final = 100


def _percent(given: Any) -> Any:
    """Return a percentage such as `1%` as a number; a bare number could mean two things."""
    if isinstance(given, float) or given is None:
        return given  # as a record holds it
    found = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?) ?%", str(given).strip())
    if found is None:
        raise WrongValueError("is not a percentage", "write it like 1%")
    return float(found[1])


Percent = Annotated[
    float, BeforeValidator(_percent, json_schema_input_type=str), Field(examples=["1%"])
]
#: The content of the file that `deployment` names, which the loader puts in its place.
DeploymentFile = Annotated[
    dict[str, Any], WithJsonSchema({"type": "string", "examples": ["deployment.yml"]})
]


def _checked_name(text: str) -> str:
    if not tokens_of(text) and not LEGAL_NAME.fullmatch(text):
        what = "cannot name an endpoint"
        raise WrongValueError(
            what, "3 to 32 lower-case letters, digits and single dashes, a letter first"
        )
    return text


class AzureMlVerify(Strict):
    """How an update is verified: a request is scored ahead of it and after it."""

    rows: DeploymentFile = Field(
        description="JSON file with the request body as it is sent, in the folder of "
        "pipelines.yaml or below it."
    )
    within: Span | None = Field(
        default=None,
        description="How long the endpoint may take to answer well after its traffic has changed; "
        "by default 5m.",
    )


class CreateEndpoint(Strict):
    """How an endpoint is made where it does not exist."""

    auth_mode: Literal["key", "aml_token", "aad_token"] = Field(
        default="key", description="How callers of the endpoint authenticate."
    )
    public_network_access: Literal["enabled", "disabled"] = Field(
        default="enabled", description="Whether it is reached from public networks."
    )
    description: str = Field(default="", description="For people.")


class Traffic(Strict):
    """The steps in which a new deployment gets the requests."""

    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        default=_STEPS, description="Percentages of the requests; they rise and end at 100."
    )
    bake: Duration = Field(
        default_factory=lambda: parse_duration("0s"),
        description="How long each step lasts, from when the service has carried it out.",
    )
    mirror: Annotated[int, Field(ge=1, le=50)] | None = Field(
        default=None,
        description="The percentage of requests that is copied to it for one bake, ahead of the "
        "first step.",
    )
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="So many requests a step waits for; by default 100 where another rule needs "
        "requests, else none.",
    )
    max_error_rate: Percent | None = Field(
        default=None, description="More requests that fail, such as 1%, roll the endpoint back."
    )
    max_latency_increase: Percent | None = Field(
        default=None,
        description="Requests that take longer than those beside it by more than this, such as "
        "50%, roll the endpoint back.",
    )
    give_up_after: Span = Field(
        default_factory=lambda: parse_duration("1d"),
        description="How long a step waits for enough requests; then an operator decides.",
    )

    @together
    def _rising(self) -> Iterator[Mistake]:
        if list(self.steps) != sorted(set(self.steps)) or self.steps[-1:] != (_ALL,):
            yield Mistake("the steps must rise, and end at 100", "[10, 50, 100]", ("steps",))


class EndpointVersions(Strict):
    """The api-version for each kind of resource of an endpoint."""

    endpoints: ApiVersion = Field(default=NEWEST_VERSION, description="Of endpoints.")
    deployments: ApiVersion = Field(default=NEWEST_VERSION, description="Of deployments.")
    metrics: ApiVersion = Field(default="2024-02-01", description="Of metrics (Azure Monitor).")


class AzureMlEndpoint(ScoringEndpoint):
    """A managed online endpoint that gets a deployment for each new model."""

    kind: Literal["azureml"] = Field(description="azureml: a managed online endpoint.")
    workspace: WorkspaceId | None = Field(
        default=None, description="The workspace of the endpoint; by default that of the training."
    )
    endpoint: Annotated[str, AfterValidator(_checked_name)] = Field(
        description="The name of the endpoint; it may hold {tokens} of data.blob."
    )
    deployment: DeploymentFile = Field(
        description="A file that `az ml online-deployment create -f` takes, relative to this one: "
        "the template of every new deployment."
    )
    create: bool | CreateEndpoint = Field(
        default=False,
        description="Create the endpoint if it does not exist: true, or with these values.",
    )
    traffic: Traffic | None = Field(
        default=None, description="The steps of a promotion; without it, one step to 100 %."
    )
    keep_old: Duration = Field(
        default_factory=lambda: parse_duration("1d"),
        description="How long the deployment from before is kept for a quick rollback.",
    )
    verify: AzureMlVerify | None = Field(
        default=None, description="How an update is verified; without it, updates are unproven."
    )
    api_versions: EndpointVersions = Field(
        default_factory=EndpointVersions, description="api-versions, where a cloud has others."
    )

    @model_validator(mode="before")
    @classmethod
    def _create_without_more(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("create") is True:
            return {**given, "create": {}}
        return given

    @property
    def workspace_parts(self) -> Workspace:
        """The workspace, as its calls name it."""
        if self.workspace is None:
            raise ValueError(f"endpoint {self.name} has no workspace")
        return workspace_of(self.workspace)

    @property
    def rows(self) -> dict[str, Any] | None:
        """The probe's request; None: nothing is scored."""
        return self.verify.rows if self.verify else None

    @property
    def within(self) -> timedelta:
        """How long the endpoint may take to answer well."""
        given = self.verify.within if self.verify else None
        return given or parse_duration(_WITHIN)

    @property
    def shows(self) -> bool:
        """Whether a check can recognise an update: its traffic does."""
        return True

    @property
    def address(self) -> str:
        """Where calls to the endpoint go."""
        return f"{self.workspace_parts.url}/onlineEndpoints/{self.endpoint}"

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs and ids that the file says, by their keys."""
        return {"workspace": self.workspace} if self.workspace else {}

    @property
    def ref(self) -> EndpointRef:
        """The endpoint, by what it is known by at its service."""
        identity = f"{self.workspace_parts.identity}/onlineendpoints/{self.endpoint.lower()}"
        return EndpointRef(provider=AZUREML, identity=identity, name=self.endpoint)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The `{tokens}` that this endpoint is chosen by."""
        return tokens_of(self.endpoint)

    def chosen_by(self, tokens: Mapping[str, str]) -> "AzureMlEndpoint":
        """Return the endpoint that `tokens` choose.

        Raises:
            ValueError: the name that they make is not legal.
        """
        if not self.tokens:
            return self
        name = fill(self.endpoint, tokens)
        if not LEGAL_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name an endpoint")
        return self.evolve(endpoint=name)
