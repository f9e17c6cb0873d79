"""The kinds of values that only Studio's parts of the pipelines file have: URLs, output files."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator, ValidationInfo

from shared.core.config.foreign_syntax import one_name
from shared.core.config.studio_models import MODEL_SUFFIX
from shared.core.config.studio_urls import jobs_url, require_https, score_url

_OUTPUT_SUFFIXES: Final = (MODEL_SUFFIX, ".csv", ".tsv", ".arff")


def checked_url(text: str, check: Callable[[str], str], info: ValidationInfo) -> str:
    """Return the URL as `check` corrects it, when it may be called.

    A stored record is read without a context: its URLs were checked when its run was opened.

    Args:
        text: the URL as it was written.
        check: returns the corrected URL, or raises ValueError.
        info: the context of the validation.

    Raises:
        ValueError: it is not what `check` wants, or not https.
    """
    if info.context is None:
        return text
    return require_https(check(text), development=bool(info.context.get("development")))


def _jobs_url(text: str, info: ValidationInfo) -> str:
    return checked_url(text, jobs_url, info)


def _score_url(text: str, info: ValidationInfo) -> str:
    return checked_url(text, score_url, info)


def _checked_file(name: str) -> str:
    one_name(name)
    if "/" in name or not name.endswith(_OUTPUT_SUFFIXES) or name.startswith("."):
        raise ValueError(
            f"not an output file name: the service writes {', '.join(_OUTPUT_SUFFIXES)} "
            "and the folder is chosen by the app"
        )
    return name


JobsUrl = Annotated[str, AfterValidator(_jobs_url)]
ScoreUrl = Annotated[str, AfterValidator(_score_url)]
OutputFile = Annotated[str, AfterValidator(_checked_file)]
