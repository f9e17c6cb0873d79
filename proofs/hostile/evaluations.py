"""Gives the app evaluations of any content."""

import json
import random

from proofs.captured_log import CapturedLog
from proofs.hostile.findings import Findings
from proofs.hostile.odd_values import odd
from shared.core.evaluation.report import choose_row, metric_in, read_evaluation


def evaluation(chance: random.Random, findings: Findings, log: CapturedLog) -> None:
    """Read an odd evaluation, choose a row of it, and a metric of that."""
    del findings, log
    name = chance.choice(("e.csv", "e.json", "e.tsv", "e", "E.JSON"))
    try:
        rows = read_evaluation(_content(chance), name)
        wanted = {chance.choice(("number", "a", "AUC", "")): chance.choice((1, 0, "x", "inf"))}
        row = choose_row(rows, chance.choice(({}, wanted)))
        metric_in(row, chance.choice(("AUC", "a", "", "_")))
    except ValueError:
        return


def _content(chance: random.Random) -> bytes:
    form = chance.randrange(6)
    if form == 0:
        return chance.randbytes(chance.choice((0, 1, 10, 300)))
    if form == 1:
        return json.dumps(odd(chance, ("s",), 4)).encode()
    if form == 2:  # noqa: PLR2004 -- one of the forms
        return chance.choice((b"[", b'{"a":', b'{"metrics":')) * chance.choice((10, 100_000))
    pieces = (
        *("AUC", "Accuracy", "a", "0.9", "-1e999", "1" * 500, "Infinity", "NaN", "∞", '"', '""'),
        *(",", ",", "\t", "\n", "\n", "\r", "\r\n", "\x00", "\u2028", "\ufeff", "é", "x" * 140_000),
        *("\u200b", "\u00ad", "#TYPE x\n", "regression_metrics", '"value"', "\uff10", "\u2212"),
        *("{", "}", "[", "]", ":", '"metrics"', "\\ud800", "1e400"),
    )
    text = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 30)))
    if form == 3:  # noqa: PLR2004 -- one of the forms
        text = f"AUC,Name\n0.9,x\n{text}"
    return text.encode(chance.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le")))
