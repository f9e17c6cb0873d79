"""The port of doctor: what the storage and each service offer to be tried without an effect.

A check changes nothing that matters and leaves nothing behind. Where a right to write is tried,
it writes a blob of its own below `.relearn/scratch/`, and deletes it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shared.core.blobs import RESERVED
from shared.core.config.kinds import Endpoint, Training
from shared.core.findings import Finding

#: Blobs of doctor and of the test of events. No pipeline takes one, for any pattern.
SCRATCH: Final = f"{RESERVED}scratch/"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that doctor tries."""

    part: str  #: of the app: `identity`, `storage`, …
    name: str  #: which setting, service or endpoint, and what is tried there
    service: str  #: what it calls, such as a host: a service that hangs delays no other
    run: Callable[[], Finding]  #: may raise RelearnError: then that is what is wrong
    advice: str = ""  #: where an error names none
    gives: str = ""  #: what other checks need, such as the setting that names a container
    needs: tuple[str, ...] = ()  #: where one of these does not work, this is not checked


@dataclass(frozen=True, slots=True)
class CheckedContainer:
    """A container, and what the app does there."""

    setting: str  #: that names it
    container: str
    connection: str  #: the connection that counts
    writes: bool = True  #: whether the app writes there
    signed: bool = False  #: whether its blobs are signed for
    unless: str = ""  #: why it may be missing; empty: it must be there
    problem: str = ""  #: the setting that must be corrected before it can be checked


@dataclass(frozen=True, slots=True)
class CheckedQueue:
    """A queue that the host takes events from."""

    setting: str  #: that names it
    queue: str
    connection: str  #: the connection that counts
    unless: str = ""  #: why it may be missing; empty: it must be there
    problem: str = ""  #: the setting that must be corrected before it can be checked


@dataclass(frozen=True, slots=True)
class CheckedStorage:
    """All containers and queues, in the order in which doctor checks them."""

    containers: tuple[CheckedContainer, ...]
    queues: tuple[CheckedQueue, ...]


class ServiceChecks(Protocol):
    """What can be tried at services, by the configuration. Nothing is called by asking."""

    def training_checks(self, training: Training) -> Sequence[Check]:
        """Return the checks of a training service. Raises ConfigError."""
        ...

    def serving_checks(self, endpoint: Endpoint) -> Sequence[Check]:
        """Return the checks of an endpoint's dependencies. Raises ConfigError."""
        ...
