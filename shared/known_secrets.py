"""Which values must stay out of every text, by the settings and the pipelines file."""

from collections.abc import Iterable, Mapping

from shared.core.pipeline import Pipeline
from shared.core.redact import Redactor, secrets_among, words_in
from shared.core.references import references_in


def redactor_for(
    environment: Mapping[str, str], pipelines: Iterable[Pipeline], containers: Iterable[str]
) -> Redactor:
    """Return what keeps secrets out of texts.

    It knows each setting that a pipeline refers to, and those that are secrets by their name or
    hold a key: a service may repeat what an earlier process sent.

    Args:
        environment: the app settings.
        pipelines: those of the file.
        containers: names that are no secret, as all that the file says in clear.
    """
    known = list(pipelines)
    named = {name for one in known for name in references_in(one.model_dump_json())}
    values = [environment[name] for name in sorted(named) if environment.get(name)]
    written = [one.model_dump(mode="json") for one in known]
    public = frozenset((*containers, *words_in(written)))
    return Redactor(*values, *secrets_among(environment), public=public)
