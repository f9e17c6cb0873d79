"""Takes messages from the queue of one function: a few tries each, then the poison queue."""

import contextlib
import logging
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Self

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage

from local.host.config import RefusedError, parse_timeout
from local.host.messages import JsonObject, Outcome, QueueItem
from local.host.storage import raw_queue
from local.host.triggers import QueueTrigger

#: While a message is worked on, nobody else gets it; the real host renews this.
_HIDDEN_SECONDS: Final = 600
_FIRST_PAUSE_SECONDS: Final = 0.1
#: The real host waits up to a minute by default: nobody wants that on his own machine.
_LONGEST_PAUSE_SECONDS: Final = 2.0
_NEVER_EXPIRES: Final = -1

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues` of host.json, with its defaults (azure-functions §9.1)."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    most_tries: int = 5
    pause_after_failure: int = 0
    base64: bool = True

    @classmethod
    def read(cls, section: JsonObject) -> Self:
        """Return the options of a section.

        Raises:
            RefusedError: a value is not usable.
        """
        batch = int(section.get("batchSize", cls.batch_size))
        pause = parse_timeout(section.get("visibilityTimeout", "00:00:00"))
        encoding = str(section.get("messageEncoding", "base64")).lower()
        if not 1 <= batch <= 32 or encoding not in ("base64", "none"):  # noqa: PLR2004
            raise RefusedError(
                "host.json: extensions.queues: batchSize is from 1 to 32, and messageEncoding is "
                "base64 or none"
            )
        return cls(
            batch,
            int(section.get("newBatchThreshold", batch // 2)),
            int(section.get("maxDequeueCount", cls.most_tries)),
            int(pause),
            encoding == "base64",
        )


class QueueListener:
    """The way from one function's queue to its invocations, and to the poison queue.

    Args:
        trigger: of the function.
        environment: where its connection is found.
        invoke: runs the function to its end.
        options: how many messages at once, and how often one is tried.
    """

    def __init__(
        self,
        trigger: QueueTrigger,
        environment: Mapping[str, str],
        invoke: Callable[[QueueItem], Outcome],
        options: QueueOptions,
    ) -> None:
        self._trigger, self._invoke, self._options = trigger, invoke, options
        self._queue = raw_queue(trigger.connection, environment, trigger.queue)
        self._poison = raw_queue(trigger.connection, environment, trigger.poison)
        self._stopping = threading.Event()
        self._last_error = ""
        name = f"queue {trigger.function}"
        most = options.batch_size + options.new_batch_threshold
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take messages."""
        self._thread.start()

    def stop(self) -> None:
        """Take none any more; what is under way ends with its invocation."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        pause, running = _FIRST_PAUSE_SECONDS, set[Future[None]]()
        while not self._stopping.wait(pause):
            while len(running) > self._options.new_batch_threshold:
                running = wait(running, return_when=FIRST_COMPLETED).not_done
            try:
                found = self._received()
            except RuntimeError:
                return  # stopped in between
            running = {one for one in (*running, *found) if not one.done()}
            pause = _FIRST_PAUSE_SECONDS if found else min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _received(self) -> list[Future[None]]:
        most = self._options.batch_size
        try:
            messages = list(
                self._queue.receive_messages(max_messages=most, visibility_timeout=_HIDDEN_SECONDS)
            )
        except ResourceNotFoundError:
            return []  # the real host waits for it too
        except AzureError as error:
            if str(error) != self._last_error:
                _log.warning("%s: no messages: %s", self._trigger.function, error)
            self._last_error = str(error)
            return []
        self._last_error = ""
        return [self._pool.submit(self._handle, message) for message in messages]

    def _handle(self, message: QueueMessage) -> None:
        try:
            self._handle_or_raise(message)
        except AzureError as error:  # it comes again once it is visible
            _log.error("%s: a message is not settled: %s", self._trigger.function, error)

    def _handle_or_raise(self, message: QueueMessage) -> None:
        text = self._decoded(message)
        if text is None:
            self._give_up(message, "it is not encoded as host.json says")
        elif self._invoke(_item(message, text)).ok:
            with contextlib.suppress(ResourceNotFoundError):
                self._queue.delete_message(message)
        elif self._stopping.is_set():
            return  # failures of a host that goes down are not the message's
        elif (message.dequeue_count or 1) >= self._options.most_tries:
            self._give_up(message, f"it failed {self._options.most_tries} times")
        else:
            pause = self._options.pause_after_failure
            self._queue.update_message(message, visibility_timeout=pause)

    def _decoded(self, message: QueueMessage) -> str | None:
        content = str(message.content)
        if not self._options.base64:
            return content
        try:
            return b64decode(content, validate=True).decode()
        except ValueError:
            return None

    def _give_up(self, message: QueueMessage, why: str) -> None:
        with contextlib.suppress(ResourceExistsError):
            self._poison.create_queue()
        self._poison.send_message(message.content, time_to_live=_NEVER_EXPIRES)
        self._queue.delete_message(message)
        function, poison = self._trigger.function, self._trigger.poison
        _log.error("%s: a message is moved to the queue %s: %s", function, poison, why)


def _item(message: QueueMessage, text: str) -> QueueItem:
    times = {
        "ExpirationTime": message.expires_on,
        "InsertionTime": message.inserted_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return QueueItem(
        text=text,
        id=str(message.id),
        pop_receipt=str(message.pop_receipt),
        dequeue_count=message.dequeue_count or 1,
        times={name: time.isoformat() for name, time in times.items() if time is not None},
    )
