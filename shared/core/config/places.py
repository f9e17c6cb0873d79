"""Maps the containers and queues of the settings to their storage accounts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A container, and what the app does there."""

    setting: str  #: that names it
    container: str
    connection: str  #: the connection that counts
    writes: bool  #: whether the app writes there
    signed: bool = False  #: whether its blobs are signed for
    unless: str = ""  #: why it may be missing; empty: it must be there
    problem: str = ""  #: the setting that must be corrected before it can be checked


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A queue that the host takes events from."""

    setting: str  #: that names it
    queue: str
    connection: str  #: the connection that counts
    unless: str = ""  #: why it may be missing; empty: it must be there
    problem: str = ""  #: the setting that must be corrected before it can be checked


@dataclass(frozen=True, slots=True)
class Places:
    """All of them, in the order in which doctor checks them."""

    containers: tuple[Place, ...]
    queues: tuple[QueuePlace, ...]
