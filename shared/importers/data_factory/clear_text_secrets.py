"""Keeps secrets in clear text out of the pipelines file, also where another value repeats them.

A parameter of a job is known as a secret by its own name or value. What stands in clear text
elsewhere in the definitions is a secret under any other name too.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from shared.importers.data_factory.account import NOWHERE, Element
from shared.importers.data_factory.drafts import Draft
from shared.importers.data_factory.refusals import report_refused
from shared.importers.data_factory.secrets import Secrets

#: A shorter value, or one of letters alone, is a word that other texts hold by chance.
_NO_WORD: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).{8,}", re.DOTALL)
_IN_A_PATH: Final = "a path or a name of it holds a secret that stands in clear text"


def without_secrets(
    drafts: Iterable[Draft], in_clear: Iterable[str], secrets: Secrets
) -> list[Draft]:
    """Return drafts with app settings in place of secrets that stand in clear text elsewhere.

    One with a secret in a path or a name is reported, and left out.

    Args:
        drafts: what was read from the factory.
        in_clear: the secrets that stand in clear text in the definitions.
        secrets: collects the names of app settings.
    """
    known = frozenset(one for one in in_clear if _NO_WORD.fullmatch(one))
    found = []
    for draft in drafts:
        if any(_holds(text, known) for text in _texts(draft)):
            report_refused(draft.job.source, draft.name, _IN_A_PATH)
            continue
        parameters: dict[str, Any] = {
            name: secrets.setting(_source(draft, name), draft.name, name)
            if _holds(value, known)
            else value
            for name, value in draft.job.parameters.items()
        }
        found.append(replace(draft, job=replace(draft.job, parameters=parameters)))
    return found


def _holds(value: Any, known: Collection[str]) -> bool:
    return isinstance(value, str) and any(one in value for one in known)


def _texts(draft: Draft) -> Iterator[str]:
    """Yield the paths and names of the definitions that the pipelines file would have."""
    job = draft.job
    data = (job.single_input, draft.timing.data)
    yield from (path.name for path in (*job.inputs.values(), *data) if path is not None)
    yield from (job.name, *job.inputs, *job.outputs, *job.parameters)
    for update in draft.updates:
        yield from (update.name, update.resource)


def _source(draft: Draft, name: str) -> Element:
    """Return the value of a parameter in its activity."""
    typed = draft.job.source.get("typeProperties")
    found = (typed.get(key, name) for key in ("globalParameters", "webServiceParameters"))
    return next((one for one in found if one), NOWHERE)
