"""Maps and reports the policies of activities and datasets, for both versions."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.values import means_days, written

#: A signed URL lives seven days, so that no job can take longer.
LONGEST: Final = timedelta(days=6, hours=22)
MOST_ATTEMPTS: Final = 11
_KIND: Final = "policy"
#: Keys of a dataset's policy that have keys of their own.
_OF_DATASETS: Final = ("externaldata", "validation")


def longest(timeout: timedelta) -> str:
    """Return how long one attempt may take; 0 stands for no limit."""
    return written(timeout if timedelta() < timeout <= LONGEST else LONGEST)


def policies(owner: Element) -> Iterator[tuple[str, Element]]:
    """Yield the keys of a policy, with their values."""
    yield from owner.get("policy").items()
    waits = owner.get("availability", "waitOnExternal")  # its place in 2014 and 2015
    if isinstance(waits.value, dict):
        yield "externalData", waits


def leave_policy(owner: Element, why: str) -> None:
    """Report each key of a policy that has no effect in Relearn.

    Args:
        owner: what has the policy: an activity, or the properties of a dataset.
        why: it has none.
    """
    for key, element in policies(owner):
        several = key.casefold() in _OF_DATASETS
        below = [(f"{key}.{name}", one) for name, one in element.items() if several]
        for name, one in below or [(key, element)]:
            one.left("policy", name, why, "nothing to do for this key")


def report_unknown(element: Element, kind: str, key: str) -> None:
    """Report a key that Relearn does not know, or whose value it cannot read.

    Args:
        element: its value.
        kind: what it is a key of, such as `policy`.
        key: what it is called.
    """
    text = "Relearn has nothing for this key, or cannot read its value"
    element.left(kind, key, text, "see whether the job needs it")


def mapped_span(element: Element, key: str, text: str) -> None:
    """Report a span of a policy that is carried over as Data Factory reads it.

    Args:
        element: the span.
        key: what it is called.
        text: where it is now.
    """
    if means_days(element.value):
        text += f": Data Factory reads {element.value} as days"
        element.approximated(_KIND, key, text, "correct it if hours are meant")
    else:
        element.mapped(_KIND, key, text)
