"""The parameters of a job: those of the configuration, with the tokens of the blob filled in."""

import re
from collections.abc import Mapping
from typing import Final

from shared.core.config.pattern import fill
from shared.core.config.pipeline import Pipeline
from shared.core.config.setting_references import escape
from shared.core.config.training import MANIFEST
from shared.core.config.types import Scalar
from shared.core.run.record import Run

#: What services call a parameter that is one too many, or has a wrong value (studio-classic §5).
_OF_A_PARAMETER: Final = ("UnexpectedParameter", "UserParameterInvalid", "BadParameterValue")


def parameters_for(pipeline: Pipeline, run: Run) -> dict[str, Scalar]:
    """Return the pipeline's parameters; `${NAME}` stays as it is until it is sent.

    Args:
        pipeline: whose parameters they are.
        run: what `{data}`, `{data.manifest}` and the tokens stand for.
    """
    captured = dict(run.tokens)
    if run.newest is not None:
        captured["data"] = run.newest.path
    safe = {name: escape(value) for name, value in captured.items()}
    return {
        name: fill(value.replace(MANIFEST, escape(run.listed_at)), safe)
        if isinstance(value, str)
        else value
        for name, value in pipeline.training.parameters.items()
    }


def asked_parameters(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the parameters of a request so that none of them can ask for an app setting."""
    return {
        name: escape(value) if isinstance(value, str) else value for name, value in given.items()
    }


def asked_over(run: Run) -> tuple[str, ...]:
    """Return the names of the parameters that the request of a run set, over its configuration."""
    usual = parameters_for(run.config, run)
    return tuple(
        name
        for name, value in run.parameters.items()
        if name not in usual or (type(usual[name]), usual[name]) != (type(value), value)
    )


def refused_of_request(run: Run, words: str) -> tuple[str, ...]:
    """Return the parameters of the run's request that a service's refusal is about.

    Args:
        run: the run, with its parameters.
        words: of the refusal, with its codes.
    """
    if "parameter" not in words.lower():
        return ()
    asked = asked_over(run)
    named = tuple(name for name in asked if _names(words, name))
    others = (name for name in run.parameters if name not in asked)
    if named or any(_names(words, name) for name in others):
        return named
    return asked if any(code in words for code in _OF_A_PARAMETER) else ()


def _names(words: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words) is not None


def corrected_parameters(was: Pipeline, now: Pipeline, run: Run) -> dict[str, Scalar]:
    """Return the run's parameters as `now` would have them.

    What a manual request set over the values of `was` is kept.

    Args:
        was: the configuration that the run was opened with.
        now: the present configuration.
        run: the run.
    """
    usual = parameters_for(was, run)
    asked = {name: value for name, value in run.parameters.items() if usual.get(name) != value}
    return {**parameters_for(now, run), **asked}
