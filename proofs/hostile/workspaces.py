"""A workspace of Azure Machine Learning that is broken or malicious."""

import json
import random
from collections.abc import Mapping
from typing import Final

from proofs.captured_log import CapturedLog
from proofs.hostile.answers import any_answer
from proofs.hostile.findings import ODD_ANSWERS, Findings, own_errors_only, scan
from proofs.hostile.odd_values import changed
from shared.core.run.record import Phase
from shared.providers.http.client import Answer
from tests.fakes.azureml_runs import AzureMlRuns, azureml_pipeline

_PARAMETER: Final = "p4ss;word=In/Xq7Zk2Lm9Vb4?"
_INPUTS: Final = {"parameters": {"regularization": "${PARAMETER}"}}


def world_of_workspace(chance: random.Random, findings: Findings, log: CapturedLog) -> None:
    """Train in a workspace that answers oddly for a while, with its secrets in the answers.

    Args:
        chance: chooses the answers.
        findings: get the violations.
        log: of the trial.
    """
    world = AzureMlRuns()
    world.pipeline = azureml_pipeline({"training": _INPUTS})
    world.environment = {**world.environment, "PARAMETER": _PARAMETER}
    world.restart()
    secrets = {"PARAMETER": _PARAMETER}
    share, well, odd = chance.choice((0.1, 0.5, 1.0)), world.wire.send, [True]

    def send(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        secrets["token"] = headers.get("Authorization", _PARAMETER).removeprefix("Bearer ")
        answer = well(method, url, headers, body)
        if not odd[0] or chance.random() >= share:
            return answer
        return _oddly(answer, chance, tuple(secrets.values()))

    world.wire.send = send  # type: ignore[method-assign]
    world.upload("a.csv")
    own_errors_only(lambda: world.deliver("a.csv"))
    for _ in range(20):
        own_errors_only(world.tick)
    odd[0] = False
    for _ in range(20):
        own_errors_only(lambda: world.tick(300))
    for _ in range(12):  # the service may have asked for a day (Retry-After)
        own_errors_only(lambda: world.tick(3 * 3600))
    for record in log.records:
        if record.exc_info and record.exc_info[1] is not None:
            findings.broken(ODD_ANSWERS, f"{record.getMessage()}: {record.exc_info[1]!r}"[:300])
            break
    for run in world.runs():
        if not run.phase.ended and run.phase is not Phase.PARKED:
            why = run.reason or run.step_failure
            findings.broken(ODD_ANSWERS, f"afterwards the run is left {run.phase}: {why}"[:300])
    scan(log, world.everything_stored(), secrets, findings)


def _oddly(answer: Answer, chance: random.Random, secrets: tuple[str, ...]) -> Answer:
    """Return another answer, or the same one with some of its members changed."""
    tree = answer.json()
    if tree is None or chance.random() < 0.3:  # noqa: PLR2004 -- a share
        return any_answer(chance, secrets)
    body = json.dumps(changed(tree, chance, secrets)).encode()
    return Answer(answer.status, answer.headers, body)
