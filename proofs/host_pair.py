"""Two real hosts of one stage: both get every event, now or later, and one is killed at times."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Self

import requests

from local.demo.app_stage import DATA, AppStage
from local.host.process import HostProcess
from proofs.kill_points import kill
from proofs.ledger_reader import Cause
from tests.waiting import eventually

#: A claim is given up soon after its host was killed.
SETTINGS: Final = {"AzureFunctionsJobHost__functionTimeout": "00:00:08", "CLAIM_LEASE": "9s"}
MOST_TIMES: Final = 5
_SECONDS: Final = 30


class HostPair:
    """Two hosts, and the events that they get.

    Args:
        stage: is set, with a first host.
        second: is set too.
        chance: makes every choice.
    """

    def __init__(self, stage: AppStage, second: HostProcess, chance: random.Random) -> None:
        self.hosts = (stage.host, second)
        self.arrived: list[Cause] = []
        self.deliveries = self.kills = 0
        self._stage, self._chance = stage, chance
        self._late: list[str] = []

    def __enter__(self) -> Self:
        self.pool = ThreadPoolExecutor(MOST_TIMES)
        for host in self.hosts:
            eventually(partial(_is_well, host), "the first tick")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pool.shutdown()

    def upload(self, name: str, content: bytes) -> None:
        """Upload a blob, and deliver its event one to five times: some now, and others later."""
        made = self._stage.storage.get_blob_client(DATA, name).upload_blob(content)
        self.arrived.append((name, str(made["etag"]).strip('"')))
        times = [name] * self._chance.randint(1, MOST_TIMES)
        late = self._chance.randint(0, len(times))
        self._late += times[:late]
        self._chance.shuffle(self._late)
        due, self._late = self._late[: self._chance.randint(0, 2)], self._late[2:]
        self._announce([*times[late:], *due])

    def deliver_the_rest(self) -> None:
        """Deliver the events that are left."""
        self._announce(self._late)
        self._late = []

    def kill_one(self) -> None:
        """Kill one of the hosts at any moment, and start it again."""
        host = self._chance.choice(self.hosts)
        kill(host)
        host.start()
        self.kills += 1

    @property
    def worked(self) -> tuple[int, ...]:
        """How many functions each host has run."""
        return tuple(host.log.count("succeeded") for host in self.hosts)

    def _announce(self, names: Sequence[str]) -> None:
        chosen = [(name, self._chance.choice(self.hosts)) for name in names]
        self.deliveries += len(chosen)
        for delivery in [self.pool.submit(self._deliver, name, host) for name, host in chosen]:
            delivery.result()

    def _deliver(self, name: str, host: HostProcess) -> None:
        with suppress(requests.RequestException):  # the other host, or a search, finds it too
            self._stage.deliver(name, host)


def _is_well(host: HostProcess) -> bool:
    """Whether a host is up and its app is well."""
    healthy = requests.get(f"{host.url}/api/health", timeout=_SECONDS).ok
    return healthy and "poll_jobs succeeded" in host.log
