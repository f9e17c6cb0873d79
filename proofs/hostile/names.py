"""Gives the app names of blobs that try to leave their folder or URL."""

import random
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from proofs.captured_log import CapturedLog
from proofs.hostile.findings import ODD_NAMES, Findings, own_errors_only, scan
from shared.core.run.record import Phase
from tests.fakes.world import MODELS
from tests.unit.worlds import Observed

_FOLDERS: Final = frozenset(
    {
        *(
            "versions",
            "inbox",
            "run_queues",
            "shared_queues",
            "pauses",
            "index",
            "open",
            "runs",
            "endpoints",
        ),
        *("tombstones", "configurations", "clock"),
        *("drift_checks", "pipelines", "schedules"),
    }
)
_SAFE: Final = re.compile(r"[a-z0-9/_-]+|poll|search|cleaning")


_PIECES: Final = (
    *("..", "../", "/../", "%2e%2e", "%2e%2e%2f", "..%5c", "\\..\\", ".", "/", "//", "~", "%00"),
    *("\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\x1b[31m"),
    *("#", "?", "?comp=list", "&restype=container", "'", '"', "`", "$logs", "$root", "$web"),
    *("\u202e", "\u200f", "\ufeff", "é", "漢", "😀", "a", "b", "new", "A" * 400, "a/" * 120),
    *("${TRAINING_KEY}", "$${x}", "{name}", "{", "}", "%s", "%(x)s", "{0}", "<script>", ";", "|"),
    *("\n[RL1001 parked] run x", "\nERROR forged line", "ledger/", "runs/", "open/", "promote/"),
)


def name_trial(chance: random.Random, findings: Findings, log: CapturedLog) -> None:
    """Upload a blob with a hostile name, and bring its run to its end."""
    mode = chance.choice(
        (
            {"when_busy": "parallel"},
            {"when_busy": "newest"},
            {"when_busy": "queue"},
            {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "1m"}},
        )
    )
    by_customer = chance.random() < 0.5  # noqa: PLR2004 -- a token of the name in a URL, or not
    change: dict[str, Any] = {"pipeline": dict(mode)}
    if by_customer:
        settle = {"settle": "1m"} if "data" in mode else {}
        change["pipeline"]["data"] = {"blob": "{customer}/{name}.csv", **settle}
    world = Observed(config=change)
    if by_customer and world.pipeline.endpoint is not None:
        update = world.pipeline.endpoint.address.rpartition("/")[0] + "/{customer}"
        token = {"update": update, "workspace_token": "${ENDPOINT_KEY}", "api_key": None}
        world.correct(**token)
    name = "".join(chance.choice(_PIECES) for _ in range(chance.randint(1, 4)))[:1000]
    stem = f"{name}/x" if by_customer and chance.random() < 0.7 else name  # noqa: PLR2004 -- mostly
    name = stem + chance.choice((".csv", ".csv", ".csv", "", ".ilearner"))
    own_errors_only(lambda: world.deliver(name))  # before it is there
    world.upload(name)
    for _ in range(chance.randint(1, 2)):
        own_errors_only(lambda: world.deliver(name))
        own_errors_only(lambda: world.app.model_events.model_arrived(name))
    for _ in range(8):
        own_errors_only(world.tick)
    for wrong in _escaped(world):
        findings.broken(ODD_NAMES, f"{name[:60]!r}: {wrong}"[:300])
    for record in log.records:
        if len(record.getMessage().splitlines()) > 1:
            findings.broken(ODD_NAMES, f"{name[:60]!r} breaks a line: {record.msg!r}"[:300])
            break
        if record.exc_info:
            findings.broken(ODD_NAMES, f"{name[:60]!r}: {record.exc_info[1]!r}"[:300])
            break
    scan(log, world.everything_stored(), world.environment, findings)


def _escaped(world: Observed) -> Iterator[str]:
    for document in world.documents.rows:
        if "/" in document and document.partition("/")[0] not in _FOLDERS:
            yield f"document {document!r} lies outside the known folders"
        elif not _SAFE.fullmatch(document):
            yield f"document {document!r} has an odd name"
    for url in world.blobs.store.contents:
        path = unquote(urlsplit(url).path) if "?" not in url else url
        if f"/{MODELS}/" in path and not path.partition(f"/{MODELS}/")[2].startswith("runs/"):
            yield f"a model was written to {url[:100]!r}"
    service = urlsplit(world.pipeline.training.address)
    for sent in world.http.sent:
        url = sent.partition(" ")[2]
        parts = urlsplit(url)
        if parts.netloc != service.netloc or ".." in unquote(parts.path).split("/"):
            yield f"{sent[:120]!r} was sent"
    for run in world.runs():
        if not run.phase.ended and run.phase is not Phase.PARKED and run.step_failure is not None:
            yield f"the run is left {run.phase}: {run.step_failure.reason}"
