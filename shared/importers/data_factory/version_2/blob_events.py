"""Blob events of triggers as patterns of Relearn: the blobs whose arrival opens a run.

A trigger compares the beginning and the end of a path, at any depth; a token of Relearn is a part
of one folder's name (data-factory §3.5).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from shared.core.config.pattern import match, tokens_of
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath

_BLOBS: Final = "blobs"
#: An end that begins with the container: it is a blob's whole name.
_WITH_CONTAINER: Final = re.compile(rf"/(?P<container>[^/]+)/{_BLOBS}/(?P<name>.+)")
_CREATED: Final = "blobcreated"
_EXACTLY: Final = "only the blob of exactly this name opens a run"
_DEPTH: Final = "blobs in deeper folders open no run"


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
        return here and named and not tokens_of(path.name)

    def matches(self, path: BlobPath) -> bool:
        """Whether the pattern is that of a path, or matches it."""
        here = not self.container or self.container == path.container
        return here and (path.name == self.pattern or match(self.pattern, path.name) is not None)

    def chosen(self, inputs: Iterable[BlobPath]) -> str:
        """Return the name or pattern of the blobs that open runs of a job.

        Args:
            inputs: of the job.
        """
        named = [one.name for one in inputs if self.holds(one)]
        named += [one.name for one in inputs if self.matches(one)]
        return next(iter(named), self.pattern)

    def report(self, place: str, blob: str) -> None:
        """Report the keys that say which blobs start a pipeline.

        Args:
            place: the pipeline in the pipelines file.
            blob: the name or pattern of the blobs that open its runs.
        """
        text, to_do = f"{place}: data.blob: {blob}", ""
        if blob == self.pattern:
            text += f"; {self.differs}"
        else:
            text += f", its input: other blobs like {self.pattern} open no run"
            to_do = "see whether another blob is to open a run"
        for element in self.keys:
            element.approximated("key", str(element.path[-1]), text, to_do)


def blob_event(typed: Element) -> BlobEvent:
    """Return what a trigger of type BlobEventsTrigger waits for; its keys are reported."""
    begins, ends = typed.get("blobPathBeginsWith").peek(), typed.get("blobPathEndsWith").peek()
    container, _, rest = begins.lstrip("/").partition("/")
    rest = rest.removeprefix(f"{_BLOBS}/") if rest != _BLOBS else ""
    scope = typed.get("scope").peek()
    account = scope.rstrip("/").rpartition("/")[2]
    whole = _WITH_CONTAINER.fullmatch(ends)
    if whole and container in ("", whole["container"]):
        container, rest, ends = whole["container"], whole["name"], whole["name"]
        pattern, differs = ends, f"its end names container {container}: {_EXACTLY}"
    else:
        pattern, differs = _pattern(rest, ends)
    source = typed.get("blobPathBeginsWith") or typed.get("blobPathEndsWith") or typed
    if not container:
        differs = f"it names no container: blobs of TRAINING_DATA_CONTAINER open runs; {differs}"
    keys = _taken(typed, "blobPathBeginsWith", "blobPathEndsWith")
    event = BlobEvent(account, container, rest, ends, pattern, source, differs, keys)
    _report_events(typed)
    _report_empty(typed)
    text = f"storage account {account}: events come from the account of TRAINING_DATA_CONTAINER"
    typed.get("scope").approximated("key", "scope", text, "see that they are the same account")
    return event


def opens_no_run(typed: Element) -> bool:
    """Whether a trigger waits for other events than the arrival of a blob alone."""
    events = [str(one.value).casefold() for one in typed.get("events").list()]
    return bool(events) and not any(one.endswith(_CREATED) for one in events)


def polled_event(typed: Element) -> BlobEvent:
    """Return what a trigger of type BlobTrigger waits for; its keys are reported."""
    container, _, rest = typed.get("folderPath").peek().strip("/").partition("/")
    pattern, differs = _pattern(f"{rest}/" if rest and "." not in rest else rest, "")
    account = typed.get("linkedService", "referenceName").peek()
    folder, limit = typed.get("folderPath"), typed.get("maxConcurrency")
    keys = _taken(typed, "folderPath")
    text = "runs of a pipeline wait for each other, unless when_busy is parallel"
    limit.approximated("policy", "maxConcurrency", text, "write max_parallel if it is needed")
    typed.get("linkedService").take()
    return BlobEvent(account, container, rest, "", pattern, folder or typed, differs, keys)


def _taken(typed: Element, *names: str) -> tuple[Element, ...]:
    """Return the keys that say which blobs there are; each is reported once that is decided."""
    found = tuple(element for name in names if (element := typed.get(name)).value)
    for element in found:
        element.take()
    return found


def _pattern(prefix: str, suffix: str) -> tuple[str, str]:
    """Return the pattern of what begins and ends so, and what differs.

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
            one.left("key", "events", f"{one.value}: {text}", "nothing, or ask for a manual run")


def _report_empty(typed: Element) -> None:
    element = typed.get("ignoreEmptyBlobs")
    if element.peek().casefold() == "false":
        text = "an empty blob opens no run, because there is nothing to train on"
        element.approximated("key", "ignoreEmptyBlobs", text, "data.marker: true takes them")
    else:
        element.mapped("key", "ignoreEmptyBlobs", "data.min_size: an empty blob opens no run")
