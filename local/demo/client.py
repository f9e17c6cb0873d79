"""A client that calls the endpoint all the time, and counts answers by deployment and status."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Self

import requests

_PAUSE: Final = 0.04
_LONG_PAUSE: Final = 0.4
_SECONDS: Final = 10
_WHO: Final = "azureml-model-deployment"
OK: Final = 200


class Client(threading.Thread):
    """Sends one request after the other in a thread of its own, until it is stopped.

    Args:
        address: returns where to send requests and the key; None while there is no endpoint.
        body: of every request.
    """

    def __init__(self, address: Callable[[], tuple[str, str] | None], body: dict[str, Any]) -> None:
        super().__init__(name="client", daemon=True)
        self.hurries = False  #: whether many requests show something: each is work
        self._address, self._body = address, body
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._seen: Counter[tuple[str, int]] = Counter()

    def run(self) -> None:
        """Send requests until the client is stopped."""
        known: tuple[str, str] | None = None
        with requests.Session() as connections:
            connections.trust_env = False
            while not self._stopping.wait(_PAUSE if self.hurries else _LONG_PAUSE):
                known = known or self._address()
                if known is not None:
                    self._ask(connections, *known)

    def take(self) -> Counter[tuple[str, int]]:
        """Return how often which deployment answered with which status, and begin to count anew."""
        with self._lock:
            seen, self._seen = self._seen, Counter()
        return seen

    @property
    def seen(self) -> Counter[tuple[str, int]]:
        """The counts so far."""
        with self._lock:
            return Counter(self._seen)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(2 * _SECONDS)

    def _ask(self, connections: requests.Session, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        try:
            answer = connections.post(url, json=self._body, headers=headers, timeout=_SECONDS)
            found = (answer.headers.get(_WHO, "nobody"), answer.status_code)
        except requests.RequestException:
            time.sleep(_PAUSE)  # the endpoint is closing
            found = ("nobody", 0)
        with self._lock:
            self._seen[found] += 1


def shares(seen: Counter[tuple[str, int]]) -> dict[str, float]:
    """Return the percentage of the answers that each deployment gave."""
    total = sum(seen.values())
    by: Counter[str] = Counter()
    for (name, _), count in seen.items():
        by[name] += count
    return {name: 100 * count / total for name, count in by.most_common()} if total else {}


def failed(seen: Counter[tuple[str, int]]) -> int:
    """Return how many requests had no good answer."""
    return sum(count for (_, status), count in seen.items() if status != OK)
