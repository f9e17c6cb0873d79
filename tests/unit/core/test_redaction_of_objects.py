"""Models, collections and their contents are redacted at any depth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from shared.core.blobs import BlobVersion
from shared.core.redaction import Redactor
from shared.core.secret_shapes import HIDDEN
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from tests.unit.samples import blob


@dataclass(frozen=True)
class Holder:
    name: str
    many: tuple[str, ...]
    by_name: dict[str, list[str]]
    blob: BlobVersion
    number: float = 1.5


def test_everything_that_holds_texts_is_cleaned_and_what_is_kept_is_not() -> None:
    named = blob("secret-value.csv")
    holder = Holder("a secret-value", ("secret-value",), {"secret-value": ["secret-value"]}, named)
    clean = Redactor("secret-value").clean(holder, keep=(BlobVersion,))
    assert clean == Holder("a ***", ("***",), {"***": ["***"]}, named)
    probe = ProbeAnswers(
        seen=ProbeOutcome.GOOD, columns=("secret-value",), rows=(("secret-value", "1"),)
    )
    check = Redactor("secret-value").clean(
        EndpointCheck(UpdateProgress.DONE, probe, "m/secret-value", "x")
    )
    assert "secret-value" not in repr(check)
    assert (check.progress, check.probe and check.probe.seen) == (
        UpdateProgress.DONE,
        ProbeOutcome.GOOD,
    )


def test_what_is_nested_too_deeply_is_hidden_instead_of_followed() -> None:
    deep: list[object] = ["secret-value"]
    for _ in range(5_000):
        deep = [deep]
    assert "secret" not in repr(Redactor("secret-value").clean(deep))


def test_texts_are_cleaned_in_every_kind_of_collection_sixty_levels_deep() -> None:
    redactor = Redactor("secret-value")
    for kind in (list, tuple, set, frozenset):
        assert redactor.clean(kind(["secret-value", "b"])) == kind(["***", "b"])
    deep: object = "secret-value here"
    for _ in range(60):
        deep = [deep]
    assert repr(redactor.clean(deep)) == "[" * 60 + "'*** here'" + "]" * 60
    assert repr(redactor.clean([deep])) == "[" * 61 + "'***'" + "]" * 61


@dataclass(frozen=True)
class Nest:
    inner: object


class Shell(BaseModel):
    inner: Any


@pytest.mark.parametrize("nest", [Nest, lambda inner: Shell(inner=inner), lambda one: {"in": one}])
def test_fields_members_and_keys_are_followed_as_deeply(nest: Callable[[object], object]) -> None:
    def nested(levels: int, inner: object) -> object:
        for _ in range(levels):
            inner = nest(inner)
        return inner

    redactor = Redactor("secret-value")
    assert redactor.clean(nested(60, "secret-value here")) == nested(60, "*** here")
    hidden = redactor.clean(nested(61, "secret-value here"))
    assert "here" not in repr(hidden)
    assert repr(hidden).count("***") == (2 if isinstance(hidden, dict) else 1)


def test_what_holds_no_secret_is_the_same_object_afterwards() -> None:
    holder = Holder("a", ("b",), {"c": ["d"]}, blob())
    assert Redactor("secret-value").clean(holder) is holder
    assert Redactor("secret-value").clean(Holder) is Holder
    assert Redactor("secret-value").clean(None) is None


def test_a_text_that_was_redacted_before_is_so_again_by_what_is_known_now() -> None:
    redactor = Redactor()
    said = "the service answered q8Zk-not-known-yet-77"
    assert redactor.text(said) == said
    redactor.learn("q8Zk-not-known-yet-77")
    assert redactor.text(said) == f"the service answered {HIDDEN}"
    redactor.publish(["q8Zk-not-known-yet-77"])
    assert redactor.text(said) == said
