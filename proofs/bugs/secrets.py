"""Bugs to plant where secrets are kept out of what is shown."""

from typing import Final

from proofs.bugs.bug import Bug

SECRETS: Final = (
    Bug(
        "what steps learn is kept with secrets",
        "shared/driver.py",
        "        return self._context.redactor.clean(learned, keep=(BlobVersion, Pipeline))\n",
        "        return learned\n",
        ("tests/unit/test_guards.py",),
    ),
    Bug(
        "what an endpoint tells passes uncleaned",
        "shared/guards.py",
        "        return replace(self.redactor.clean(seen), configured=configured)\n",
        "        return replace(seen, configured=configured)\n",
        ("tests/unit/test_guards.py",),
    ),
    Bug(
        "a secret passes for a job id",
        "shared/guards.py",
        "        if self.redactor.text(handle) != handle:\n",
        "        if not handle:\n",
        ("tests/unit/test_guards.py",),
    ),
    Bug(
        "keys that services tell are not learned",
        "shared/clients/studio_call.py",
        "        told = _KEYS.findall(answer.body) if answer.ok else []\n",
        "        told = []\n",
        ("tests/unit/test_adapters.py",),
    ),
    Bug(
        "a bare signature is not known by its shape",
        "shared/core/signatures.py",
        "    return HIDDEN if random else value\n",
        "    return value\n",
        ("tests/unit/test_redact.py",),
    ),
    Bug(
        "tracebacks are logged as they are",
        "shared/outgoing.py",
        "        record.exc_text = clean\n",
        "        return\n",
        ("tests/unit/test_guards.py",),
    ),
    Bug(
        "anonymous health lists the open runs",
        "functions/health.py",
        "    stored = built.context.ledger.heartbeat()\n",
        "    list(built.context.ledger.open_runs())\n"
        "    stored = built.context.ledger.heartbeat()\n",
        ("tests/functions/test_health.py",),
    ),
)
