"""The configuration that every training service has: limits, and the data that its jobs get."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, Field

from shared.core.blobs import BlobVersion
from shared.core.config.problems import WrongValueError
from shared.core.config.types import Duration, Name, Scalar, Span, Strict, parse_duration
from shared.core.config.windows import Window, filled, window_tokens
from shared.core.decisions.comparison import Opponent
from shared.core.serving.references import ModelRef

#: The newest blob of a run, and the list of all its blobs, as an input or a parameter names them.
DATA: Final = "{data}"
MANIFEST: Final = "{data.manifest}"
#: What a job is given to score another model with, and which model that is.
OTHER_MODELS: Final[Mapping[str, Opponent]] = MappingProxyType(
    {"{live.model}": "live", "{anchor.model}": "anchor"}
)


def named_model(text: object) -> str | None:
    """Return the live model or the anchor, as a whole value names it; None: it names neither.

    Raises:
        ValueError: a text holds such a name among others.
    """
    if not isinstance(text, str):
        return None
    for name in OTHER_MODELS:
        if name in text and text != name:
            raise WrongValueError(f"{name} must be the whole value", "give it a name of its own")
    return text if text in OTHER_MODELS else None


def _with_right_templates(value: Scalar) -> Scalar:
    if isinstance(value, str):
        named_model(value)
        window_tokens(value)
    return value


class TrainingConfig(Strict):
    """A service that trains, of any kind: `kind` and `outputs` are keys of each."""

    #: The suffix by which a blob is known to be a complete model; empty: no name says so.
    model_suffix: ClassVar[str] = ""
    #: The kinds of endpoints that can serve its models.
    endpoint_kinds: ClassVar[tuple[str, ...]] = ()
    #: Whether a job can be given copies of its blobs.
    takes_copies: ClassVar[bool] = False
    #: Whether a job can log metrics that are read without a file.
    logs_metrics: ClassVar[bool] = False

    parameters: dict[Name, Annotated[Scalar, AfterValidator(_with_right_templates)]] = Field(
        default_factory=dict,
        description="Literals for the job: GlobalParameters at Studio, inputs that are not data at "
        "Azure Machine Learning. A value may hold {tokens}, times of the window, as "
        "{start:yyyy-MM-dd}, and ${NAME}; a dollar sign is written $$. At Studio {live.model} and "
        "{anchor.model} stand for the signed URL of the model that serves, or is pinned, when the "
        "job is made; without such a model the parameter is left out.",
    )
    timeout: Span = Field(
        default_factory=lambda: parse_duration("2h"),
        description="How long one attempt may take, queueing included; then its job is cancelled.",
    )
    attempts: int = Field(default=1, ge=1, le=11, description="How many jobs a run may start.")
    pause: Duration = Field(
        default_factory=lambda: parse_duration("0s"),
        validate_default=True,
        description="How long to wait between two attempts.",
    )
    max_parallel: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="Concurrency limit: open jobs at this service, over all pipelines that set a "
        "limit for it; Studio itself takes 40.",
    )

    @property
    def address(self) -> str:
        """Where calls to the service go."""
        raise NotImplementedError

    @property
    def identity(self) -> str:
        """What the service is known by, however it is written."""
        raise NotImplementedError

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs and ids that the file says, by their keys."""
        raise NotImplementedError

    @property
    def models(self) -> tuple[str, ...]:
        """The outputs that are known to be models; the service may have others."""
        raise NotImplementedError

    @property
    def all_outputs(self) -> tuple[str, ...]:
        """Every output, where the file says so; empty: the service has those that it has."""
        return ()

    @property
    def takes_uploads(self) -> bool:
        """Whether an operator's model is a blob under `promote/`; a folder is never complete."""
        return bool(self.model_suffix)

    @classmethod
    def uploaded(cls, blob: BlobVersion) -> ModelRef:
        """Return the model that is a blob with the suffix of this kind."""
        raise NotImplementedError

    @property
    def sources(self) -> dict[str, str]:
        """Input name -> the data that it is given; each kind has its own inputs."""
        raise NotImplementedError

    @property
    def other_models(self) -> dict[str, Opponent]:
        """Input or parameter name -> the other model that a job is given by it."""
        given = {**self.parameters, **self.paths}
        named = {name: named_model(value) for name, value in given.items()}
        return {name: OTHER_MODELS[text] for name, text in named.items() if text}

    @property
    def paths(self) -> dict[str, str]:
        """Input name -> its path, as it is written, where an input may be a model."""
        return {}

    @property
    def window_texts(self) -> dict[str, tuple[str, ...]]:
        """The texts that may hold times of a window, by the key that they are below."""
        texts = (value for value in self.parameters.values() if isinstance(value, str))
        return {"parameters": tuple(texts)}

    def in_window(self, window: Window) -> Self:
        """Return the training with the times of a window filled in.

        Raises:
            ValueError: a time is outside the calendar.
        """
        parameters = {
            name: filled(value, window) if isinstance(value, str) else value
            for name, value in self.parameters.items()
        }
        return self.evolve(parameters=parameters)

    @property
    def wants_data(self) -> bool:
        """Whether a job is given the newest blob, as an input or by its name."""
        texts = map(str, self.parameters.values())
        return DATA in self.sources.values() or any(DATA in text for text in texts)

    @property
    def wants_manifest(self) -> bool:
        """Whether the list of all blobs of a run is written for the job."""
        texts = (*self.sources.values(), *map(str, self.parameters.values()))
        return any(MANIFEST in text for text in texts)
