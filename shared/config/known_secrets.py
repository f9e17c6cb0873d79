"""Collects the values that must stay out of every text, from settings and pipelines file."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain

from shared.core.config.pipeline import Pipeline
from shared.core.config.stored_pipeline import settings_of
from shared.core.frozen import Same
from shared.core.redaction import Redactor, secrets_among, words_in


def redactor_for(
    environment: Mapping[str, str], pipelines: Iterable[Pipeline], containers: Iterable[str]
) -> Redactor:
    """Return what keeps secrets out of texts.

    It knows each setting that a pipeline refers to, and those that are secrets by their name or
    hold a key: a service may repeat what an earlier process sent.

    Args:
        environment: the app settings.
        pipelines: those of the file.
        containers: names that are not secret, as all that the file says in clear.
    """
    known = list(pipelines)
    public = frozenset((*containers, *_said_in_clear(known)))
    return Redactor(*_values(environment, known), *secrets_among(environment), public=public)


def learn_file(
    redactor: Redactor, environment: Mapping[str, str], pipelines: Iterable[Pipeline]
) -> None:
    """Have a redactor know the secrets and the words of a file that was changed meanwhile.

    Args:
        redactor: of this process.
        environment: the app settings.
        pipelines: those of the file.
    """
    known = list(pipelines)
    redactor.publish(_said_in_clear(known))
    redactor.learn(*_values(environment, known))


def _values(environment: Mapping[str, str], known: list[Pipeline]) -> list[str]:
    named = {name for one in known for name in settings_of(one)}
    return [environment[name] for name in sorted(named) if environment.get(name)]


def _said_in_clear(known: list[Pipeline]) -> Iterable[str]:
    return chain.from_iterable(_words_of(Same(one)) for one in known)


@lru_cache(maxsize=64)
def _words_of(pipeline: Same[Pipeline]) -> frozenset[str]:
    return frozenset(words_in(pipeline.value.model_dump(mode="json")))
