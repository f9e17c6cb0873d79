"""Bugs planted in shared/providers: the storage, the ML service, and redaction."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "a lost answer is not read back",
        "shared/providers/azure_storage/documents.py",
        "            if mine := self._arrived(name, write_id, exc):\n                return mine\n",
        "",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "what an endpoint reports is not redacted",
        "shared/providers/redacting.py",
        "        return replace(self.redactor.clean(seen), configured=configured)\n",
        "        return replace(seen, configured=configured)\n",
        ("tests/unit/providers/test_redacting.py",),
    ),
    Bug(
        "a location is made of a URL with its signature",
        "shared/providers/azure_storage/copies.py",
        '    return urlunsplit((scheme, host, f"{path.rstrip(\'/\')}/", "", ""))\n',
        "    return url\n",
        ("tests/unit/providers/test_storage_account.py",),
    ),
    Bug(
        "a secret passes for a job id",
        "shared/providers/redacting.py",
        "        if self.redactor.text(handle) != handle:\n",
        "        if not handle:\n",
        ("tests/unit/providers/test_redacting.py",),
    ),
    Bug(
        "keys that services report are not learned",
        "shared/providers/studio/call.py",
        "        from_service = _KEYS.findall(answer.body) if answer.ok else []\n",
        "        from_service = []\n",
        ("tests/unit/providers/test_adapters.py",),
    ),
    Bug(
        "a copy within our account is made by our own authority",
        "shared/providers/azure_storage/copies.py",
        "            if not self._opens(container, name, source.signature):\n",
        "            if not name:\n",
        ("tests/unit/providers/test_blob_copies.py",),
    ),
    Bug(
        "old bytes at the target of a copy are kept",
        "shared/providers/azure_storage/copies.py",
        "    return since is not None and found.last_modified < since - CLOCK_SKEW\n",
        "    return False\n",
        ("tests/contract/test_blob_signatures.py",),
    ),
    Bug(
        "an output of an earlier job is taken for this one's",
        "shared/providers/studio/models.py",
        "        if why := left_before(model, job):\n",
        "        if why := left_before(None, job):\n",
        (
            "tests/unit/execution/test_model_steps.py",
            "tests/unit/execution/test_model_waits.py",
        ),
    ),
    Bug(
        "a leased record is a lost race",
        "shared/providers/azure_storage/errors.py",
        '    return status in _REFUSED and code_of(exc) in ("", *_LOST)\n',
        "    return status in _REFUSED\n",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "directories are read as records",
        "shared/providers/azure_storage/pages.py",
        '    return known.get(_IS_FOLDER, "").lower() == "true"\n',
        "    return not told\n",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "the service's codes are not said",
        "shared/providers/studio/errors.py",
        '        codes = f"{\', \'.join(named[:_MOST_CODES])}: " if named else ""\n',
        '        codes = ""\n',
        ("tests/unit/test_runbook.py",),
    ),
    Bug(
        "a conflict that cannot be checked counts as another writer's",
        "shared/providers/azure_storage/documents.py",
        '            if is_lost(why):\n                raise OutcomeUnknownError(f"{name}: ',
        '            if is_lost(why):\n                raise Conflict(f"{name}: ',
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "doctor leaves its scratch blob behind",
        "shared/providers/azure_storage/checks.py",
        '        steps.do("delete", lambda: _gone(blob.delete_blob))\n',
        "",
        ("tests/unit/providers/test_storage_checks.py",),
    ),
    Bug(
        "a clock that is wrong passes for a key that is wrong",
        "shared/providers/azure_storage/refusals.py",
        "    if at is not None and abs(now - at) > _LATEST:\n",
        "    if at is not None and abs(now - at) > _LATEST * 9:\n",
        ("tests/unit/providers/test_storage_checks.py",),
    ),
    Bug(
        "doctor asks what it remembers, and not the workspace",
        "shared/providers/azureml/checks.py",
        "    assets = RegisteredAssets(call, Memory())\n",
        "    assets = RegisteredAssets(call, jobs.memory)\n",
        ("tests/unit/providers/test_workspace_checks.py",),
    ),
)
