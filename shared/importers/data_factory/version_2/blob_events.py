"""Blob events of triggers as patterns of Relearn: the blobs whose arrival opens a run.

A trigger compares the beginning and the end of a path, at any depth; a token of Relearn is a part
of one folder's name (data-factory §3.5).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.core.config.pattern import match, tokens_of
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath

_BLOBS: Final = "blobs"
#: An end that begins with the container: it is a blob's whole name.
_WITH_CONTAINER: Final = re.compile(rf"/(?P<container>[^/]+)/{_BLOBS}/(?P<name>.+)")
_CREATED: Final = "blobcreated"
#: An expression, or signs that a pattern reads in another way than the factory.
_UNREAD: Final = re.compile(r"\s*[\[@].*|.*[*?{}].*", re.DOTALL)
_STANDS: Final = "fill-in/{name}"
_EXACTLY: Final = "only the blob of exactly this name opens a run"
_DEPTH: Final = "blobs in deeper folders open no run"
_SEE: Final = "see whether other blobs are to open a run"
_TYPED: Final = "typeProperties"


@dataclass(frozen=True, slots=True)
class BlobEvent:
    """Which blobs start a pipeline."""

    account: str
    container: str  #: empty where the trigger names none
    prefix: str  #: what their names begin with, below the container
    suffix: str
    pattern: str  #: the same as a pattern of Relearn
    source: Element = field(compare=False)
    differs: str = ""  #: what differs where the pattern opens the runs
    keys: tuple[Element, ...] = field(default=(), compare=False)  #: they say which blobs
    wrong: str = ""  #: why it is not known which blobs they are: then none opens a run

    @property
    def path(self) -> BlobPath:
        """The blobs as a path."""
        return BlobPath(self.account, self.container, self.pattern, self.source)

    @property
    def folder(self) -> str:
        """Container and folder of a blob, as the event says them."""
        folder = self.pattern.rpartition("/")[0]
        return f"{self.container}/{folder}" if folder else self.container

    @property
    def file(self) -> str:
        """The name of a blob, as the event says it."""
        return self.pattern.rpartition("/")[2]

    def holds(self, path: BlobPath) -> bool:
        """Whether an event of exactly this blob starts the pipeline."""
        here = not self.container or self.container == path.container
        named = path.name.startswith(self.prefix) and path.name.endswith(self.suffix)
        return here and named and not tokens_of(path.name) and not self.wrong

    def matches(self, path: BlobPath) -> bool:
        """Whether the pattern is that of a path, or matches it; any path if it is not known."""
        if self.wrong:
            return True
        here = not self.container or self.container == path.container
        return here and (path.name == self.pattern or match(self.pattern, path.name) is not None)

    def data(self, inputs: Sequence[BlobPath]) -> BlobPath:
        """Return the blobs that open runs of a job: one of its inputs, or those of the trigger.

        Args:
            inputs: of the job.
        """
        exact = [one for one in inputs if self.holds(one)]
        same = [one for one in inputs if self.matches(one)]
        found = next(iter([*exact, *same]), self.path)
        if found.container or not inputs:
            return found
        return replace(found, account=inputs[0].account, container=inputs[0].container)

    def report(self, place: str, blob: str) -> None:
        """Report the keys that say which blobs start a pipeline.

        Args:
            place: the pipeline in the pipelines file.
            blob: the name or pattern of the blobs that open its runs.
        """
        text, to_do = f"{place}: data.blob: {blob}", _SEE
        if self.wrong:
            text += f", data.opens_runs: false: {self.wrong}"
            to_do = "write data.blob, and data.opens_runs: true"
        elif blob == self.pattern:
            text += f"; {self.differs}"
        else:
            text += f", its input: other blobs like {self.pattern} open no run"
        for element in self.keys:
            name = str(element.path[-1])
            element.approximated("key", name, text, to_do, whole=name != _TYPED)


def blob_event(typed: Element) -> BlobEvent:
    """Return what a trigger of type BlobEventsTrigger waits for; its keys are reported."""
    begins, ends = typed.get("blobPathBeginsWith").peek(), typed.get("blobPathEndsWith").peek()
    account = _account(typed.get("scope"))
    keys = _taken(typed, "blobPathBeginsWith", "blobPathEndsWith")
    _report_events(typed)
    _report_empty(typed)
    if wrong := _wrong(begins, ends):
        return _unknown(account, keys, wrong)
    container, slash, rest = begins.lstrip("/").partition("/")
    below = rest.removeprefix(f"{_BLOBS}/") if rest != _BLOBS else ""
    whole = _WITH_CONTAINER.fullmatch(ends)
    if whole and container in ("", whole["container"]):
        container, below, ends = whole["container"], whole["name"], whole["name"]
        pattern, differs = ends, f"its end names container {container}: {_EXACTLY}"
    else:
        pattern, differs = _pattern(below, ends)
        if rest and below == rest != _BLOBS:
            differs = f"the factory wants /{_BLOBS}/ after the container; {differs}"
    if not container:
        what = "it does not name a container: blobs of TRAINING_DATA_CONTAINER open runs"
        differs = f"{what}; {differs}"
    elif not slash and begins:
        differs = f"containers whose names only begin with {container} open no run; {differs}"
    return BlobEvent(account, container, below, ends, pattern, keys[0], differs, keys)


def _account(scope: Element) -> str:
    """Return the storage account of a trigger, and report it; empty where it is not known."""
    said = scope.peek()
    account = "" if _UNREAD.fullmatch(said) else said.rstrip("/").rpartition("/")[2]
    where = "events come from the account of TRAINING_DATA_CONTAINER"
    text = f"storage account {account}: {where}" if account else f"`{said}`: {where}"
    scope.approximated("key", "scope", text, "see that they are the same account")
    return account


def _wrong(*said: str) -> str:
    """Return why it is not known which blobs these beginnings and ends are."""
    unread = [f"`{one}`" for one in said if _UNREAD.fullmatch(one)]
    if unread:
        return f"{' and '.join(unread)} cannot be read"
    return "" if any(said) else "it does not say which blobs it waits for"


def _unknown(account: str, keys: tuple[Element, ...], wrong: str) -> BlobEvent:
    return BlobEvent(account, "", "", "", _STANDS, keys[0], keys=keys, wrong=wrong)


def other_events(typed: Element) -> str:
    """Return the events of a trigger that waits for no arrival of a blob; empty: it does."""
    events = [str(one.value) for one in typed.get("events").list()]
    arrives = any(one.casefold().endswith(_CREATED) for one in events)
    return "" if arrives else ", ".join(events)


def polled_event(typed: Element) -> BlobEvent:
    """Return what a trigger of type BlobTrigger waits for; its keys are reported."""
    said = typed.get("folderPath").peek()
    account = typed.get("linkedService", "referenceName").peek()
    text = "runs of a pipeline wait for each other, unless when_busy is parallel"
    limit, keys = typed.get("maxConcurrency"), _taken(typed, "folderPath")
    limit.approximated("policy", "maxConcurrency", text, "write max_parallel if it is needed")
    typed.get("linkedService").take()
    if wrong := _wrong(said):
        return _unknown(account, keys, wrong)
    container, _, rest = said.strip("/").partition("/")
    pattern, differs = _pattern(f"{rest}/" if rest and "." not in rest else rest, "")
    return BlobEvent(account, container, rest, "", pattern, keys[0], differs, keys)


def _taken(typed: Element, *names: str) -> tuple[Element, ...]:
    """Return the keys that say which blobs there are; each is reported once that is decided.

    Args:
        typed: `typeProperties`, which stands for them where there is none.
        names: of the keys.
    """
    found = tuple(element for name in names if (element := typed.get(name)).value)
    for element in found:
        element.take()
    return found or (typed,)


def _pattern(prefix: str, suffix: str) -> tuple[str, str]:
    """Return the pattern for this prefix and suffix, and what differs.

    Args:
        prefix: what the names begin with, below the container.
        suffix: what they end with.
    """
    if not suffix:
        last = prefix.rpartition("/")[2]
        if "." in last:
            return prefix, "a name that only begins like this opens no run"
        return f"{prefix}{{name}}", _DEPTH
    if "/" in suffix:
        folders = suffix.lstrip("/")
        above = "" if suffix.startswith("/") or prefix.endswith("/") or not prefix else "{folder}"
        between = "{folder}/" if not above and suffix.startswith("/") else above
        differs = "one folder stands between beginning and end" if between else _EXACTLY
        return f"{prefix}{between}{folders}", differs
    if suffix.startswith("."):
        return f"{prefix}{{name}}{suffix}", _DEPTH
    if prefix and not prefix.endswith("/"):
        return f"{prefix}{{name}}{suffix}", _DEPTH
    return f"{prefix}{suffix}", _EXACTLY


def _report_events(typed: Element) -> None:
    for one in typed.get("events").list():
        if str(one.value).casefold().endswith(_CREATED):
            one.take()
        else:
            text = "a deleted blob opens no run"
            if "delete" not in str(one.value).casefold():
                text = "only the arrival of a blob opens a run"
            one.left(
                "key", "events", f"{one.value}: {text}", "ask for a manual run where it is due"
            )


def _report_empty(typed: Element) -> None:
    element = typed.get("ignoreEmptyBlobs")
    if element.peek().casefold() == "false":
        text = "an empty blob opens no run, because there is nothing to train on"
        element.approximated("key", "ignoreEmptyBlobs", text, "data.marker: true takes them")
    else:
        element.mapped("key", "ignoreEmptyBlobs", "data.min_size: an empty blob opens no run")
