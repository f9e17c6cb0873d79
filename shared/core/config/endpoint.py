"""The part of a scoring endpoint's configuration that every kind has."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, StringConstraints, model_validator

from shared.core.config.problems import Mistake
from shared.core.config.training import TrainingConfig
from shared.core.config.types import OutputName, Strict
from shared.core.serving.references import EndpointRef

#: The names of endpoints in the file.
ENDPOINT_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$"


class ScoringEndpoint(Strict):
    """A scoring endpoint that is given new models; each service has a class of its own."""

    #: The keys that make an endpoint another one.
    identity_keys: ClassVar[str] = "update, resource"

    name: Annotated[str, StringConstraints(pattern=ENDPOINT_NAME)] = Field(
        description="The endpoint's name in records, in the HTTP API and in the log."
    )
    model: OutputName | None = Field(
        default=None, description="The output that is the model, where the job has several."
    )

    @model_validator(mode="before")
    @classmethod
    def _create_without_more(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("create") is True:
            return {**given, "create": {}}
        return given

    @property
    def rows(self) -> dict[str, Any] | None:
        """The probe rows; None: nothing is scored."""
        raise NotImplementedError

    @property
    def within(self) -> timedelta:
        """How long the endpoint may take to switch."""
        raise NotImplementedError

    @property
    def shows(self) -> bool:
        """Whether a check can recognise an update."""
        raise NotImplementedError

    @property
    def takes_candidates(self) -> bool:
        """Whether a model can be scored there next to the live one."""
        return False

    @property
    def resource_name(self) -> str:
        """The name of its resource in the endpoint state; empty for the only one."""
        return ""

    @property
    def address(self) -> str:
        """Where calls to the endpoint go."""
        raise NotImplementedError

    @property
    def probed_at(self) -> str:
        """Where its probes go, as far as it is known."""
        return self.address

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs and ids that the file says, by their keys."""
        raise NotImplementedError

    @property
    def path_and_host(self) -> tuple[str, str] | None:
        """Its service without its host, and the host, where one service may have several hosts."""
        return None

    @property
    def ref(self) -> EndpointRef:
        """The endpoint, as its service identifies it."""
        raise NotImplementedError

    @property
    def identity(self) -> object:
        """What is equal for two entries that are updated with one model, however written."""
        return (self.ref, self.resource_name)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The `{tokens}` that this endpoint is chosen by."""
        raise NotImplementedError

    @property
    def form(self) -> int:
        """The lowest schema version of a record that has this endpoint."""
        return 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know before its next model."""
        return ()

    def beside(self, training: TrainingConfig) -> Self:
        """Return the endpoint, completed by the configuration of the training."""
        del training
        return self

    def fits(self, training: TrainingConfig) -> Iterator[Mistake]:
        """Yield what keeps the endpoint from serving what is trained there."""
        del training
        return iter(())

    def hints(self, training: TrainingConfig) -> Iterator[Mistake]:
        """Yield what its author may not expect."""
        del training
        return iter(())

    def for_resource(self, resource_name: str) -> Self:
        """Return the endpoint with another of its resources to be updated."""
        del resource_name
        return self

    def chosen_by(self, tokens: Mapping[str, str]) -> Self:
        """Return the endpoint that `tokens` choose.

        Raises:
            ValueError: a value cannot be part of such an address; the message says why.
        """
        raise NotImplementedError
