"""Finds pipelines that the app would refuse, and reports that they are not in the file."""

from typing import Any, Final

from pydantic import ValidationError

from shared.core.config.pipeline import Pipeline
from shared.importers.data_factory.account import Element

Tree = dict[str, Any]

CORRECT: Final = "correct the definition, and import it again"
#: What pydantic puts between keys where a value may be of several kinds.
_TAGS: Final = frozenset({"studio", "azureml", "StudioTraining", "StudioEndpoint"})


def refused(name: str, tree: Tree) -> str:
    """Return why the app would refuse a pipeline; an empty text where it takes it.

    Args:
        name: of the pipeline.
        tree: its entry.
    """
    try:
        Pipeline.model_validate({**tree, "name": name}, context={"development": True})
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        names = [str(part) for part in error["loc"] if part not in _TAGS]
        text = error["msg"].removeprefix("Value error, ")
        return f"{'.'.join(names)}: {text}" if names else text
    return ""


def report_refused(source: Element, name: str, reason: str, to_do: str = CORRECT) -> None:
    """Report an activity whose pipeline is not in the file.

    Args:
        source: the activity.
        name: of the pipeline.
        reason: why the app would refuse it.
        to_do: what the reader can do.
    """
    text = f"{name}: not in the file, because the app would refuse it ({reason})"
    source.left("activity", name, text, to_do)
