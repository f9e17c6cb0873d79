"""Bugs to plant where old records are forgotten."""

from typing import Final

from proofs.bugs.bug import Bug

CLEANING: Final = (
    Bug(
        "a version is forgotten while its blob is there",
        "shared/forgetting.py",
        "        self._renew(version, stored)\n        return False\n",
        "        return True\n",
        ("tests/unit/test_retention_kinds.py",),
    ),
    Bug(
        "a container that is gone for now takes its versions along",
        "shared/forgetting.py",
        "            self._require_container(entry.blob)\n",
        "",
        ("tests/unit/test_retention_kinds.py",),
    ),
    Bug(
        "an unreadable endpoint names nobody",
        "shared/forgetting.py",
        "            return _Names(text=found.body) if found else _Names()\n",
        "            return _Names() if found else _Names()\n",
        ("tests/unit/test_retention.py",),
    ),
    Bug(
        "cleaning begins at the front each time",
        "shared/retention.py",
        "        items = [item for item in page.items if item.name > state.looked_at]\n",
        "        items = list(page.items)\n",
        ("tests/unit/test_retention.py",),
    ),
    Bug(
        "a tombstone goes while a slot names its run",
        "shared/forgetting.py",
        "        return found is None or run_id.encode() not in found.body\n",
        "        return True or found is None\n",
        ("tests/unit/test_retention_kinds.py",),
    ),
)
