"""Bugs to plant in the gate, in retries, and in which models and blobs are trusted."""

from typing import Final

from proofs.bugs.bug import Bug

MODELS: Final = (
    Bug(
        "the gate lets everything pass",
        "shared/core/gate_facts.py",
        "        passed = self.verdict is None or self.verdict.passed\n",
        "        passed = True\n",
        ("tests/unit/test_gate_runs.py",),
    ),
    Bug(
        "a retry records a gate that it does not apply",
        "shared/core/retry.py",
        "    return Phase.JUDGED if now.gate != run.config.gate else None\n",
        "    return None\n",
        ("tests/unit/test_retry_gate.py",),
    ),
    Bug(
        "an approval outlives the gate that it was given for",
        "shared/core/retry.py",
        '{"verdict": None, "approval": None, "awaiting_since": None}\n',
        '{"verdict": None}\n',
        ("tests/unit/test_retry_gate.py",),
    ),
    Bug(
        "a model that may serve is judged again where it is",
        "shared/core/retry.py",
        "    if run.promotion is not None and run.promotion.ever_sent:\n        note",
        "    if run.promotion is not None and run.promotion.generation < 0:\n        note",
        ("tests/unit/test_retry_gate.py",),
    ),
    Bug(
        "a delivery is retried past its gate",
        "shared/core/retry.py",
        "        if self.config and run.parent is not None and withdrawn(",
        "        if self.config and run.parent == '' and withdrawn(",
        ("tests/unit/test_retry_gate.py",),
    ),
    Bug(
        "an update that a dead worker may have sent is taken for none",
        "shared/driver.py",
        '            changes["promotion"] = _perhaps_sent(run, command)\n',
        "",
        ("tests/unit/test_retry_gate.py",),
    ),
    Bug(
        "any blob is signed for an endpoint",
        "shared/core/names.py",
        "    return folder in MODEL_FOLDERS and bool(rest) and not is_folded(path)\n",
        "    return bool(folder)\n",
        ("tests/unit/test_baselines.py",),
    ),
    Bug(
        "a copy within our account is made by our own authority",
        "shared/clients/blob_copies.py",
        "            if not self._opens(container, name, source.signature):\n",
        "            if not name:\n",
        ("tests/unit/test_blob_copies.py",),
    ),
    Bug(
        "old bytes at the target of a copy are kept",
        "shared/clients/blob_copies.py",
        "    return since is not None and found.last_modified < since - CLOCK_SKEW\n",
        "    return False\n",
        ("tests/contract/test_blobs.py",),
    ),
    Bug(
        "an output of an earlier job is taken for this one's",
        "shared/model_steps.py",
        "        if why := left_before(model, run):\n",
        "        if why := left_before(None, run):\n",
        ("tests/unit/test_model_steps.py",),
    ),
)
