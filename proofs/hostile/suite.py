"""Gives the app hostile answers, files, names and URLs: nothing may break or leak."""

import random
import tempfile
from pathlib import Path

from proofs.captured_log import CapturedLog
from proofs.hostile.answers import answers, world_of_answers
from proofs.hostile.echoed_secrets import echoes
from proofs.hostile.evaluations import evaluation
from proofs.hostile.files import Files
from proofs.hostile.findings import (
    NO_SECRETS,
    ODD_ANSWERS,
    ODD_EVALUATIONS,
    ODD_FILES,
    ODD_NAMES,
    Findings,
)
from proofs.hostile.names import name_trial
from proofs.hostile.redirects import redirects
from proofs.hostile.urls import urls
from proofs.hostile.workspaces import world_of_workspace
from proofs.outcomes import Effort, Outcome, again


def part(effort: Effort) -> list[Outcome]:
    """Try `effort.size` inputs of each kind, a whole world for one in ten, and every URL."""
    findings = Findings()
    with CapturedLog() as log, tempfile.TemporaryDirectory() as folder:
        for trial in effort.trials:
            for kind, promise, act in (
                ("answer", ODD_ANSWERS, answers),
                ("evaluation", ODD_EVALUATIONS, evaluation),
                ("file", ODD_FILES, Files(Path(folder)).odd),
                *((("name", ODD_NAMES, name_trial),) if trial % 5 == 0 else ()),
                *((("world", ODD_ANSWERS, world_of_answers),) if trial % 10 == 0 else ()),
                *((("workspace", ODD_ANSWERS, world_of_workspace),) if trial % 10 == 0 else ()),
            ):
                chance = random.Random(f"{effort.seed}/{kind}/{trial}")  # noqa: S311 -- no secret
                log.records.clear()
                plan = (
                    f"{again('hostile input', '--seed', effort.seed, '--trial', trial)}  # {kind}"
                )
                with findings.trial(promise, plan, NO_SECRETS):
                    act(chance, findings, log)
            effort.progress()
        urls(findings, Path(folder))
        effort.progress()
        redirects(findings)
        effort.progress()
        echoes(effort, findings)
        effort.progress()
    return findings.outcomes()
