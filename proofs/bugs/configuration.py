"""Bugs to plant in how the pipelines file is read, and in what goes on by an older one."""

from typing import Final

from proofs.bugs.bug import Bug

CONFIGURATION: Final = (
    Bug(
        "a pipeline with an error is served by nothing",
        "shared/last_good.py",
        "        self.served.adopt(kept.pipeline)\n",
        "",
        ("tests/unit/test_last_good.py",),
    ),
    Bug(
        "the last good configuration of a pipeline with an error is forgotten",
        "shared/last_good.py",
        "            if name in self._file.pipelines or name in self._file.broken:\n",
        "            if name in self._file.pipelines:\n",
        ("tests/unit/test_last_good.py",),
    ),
    Bug(
        "a configuration that changed is not stored",
        "shared/last_good.py",
        '    if listed is None or listed.metadata.get("digest") != digest:\n',
        "    if listed is None:\n",
        ("tests/unit/test_last_good.py",),
    ),
    Bug(
        "what aliases make large is made before it is measured",
        "shared/config_yaml.py",
        "            _Sizes().of(node)\n",
        "            pass\n",
        ("tests/unit/test_config_bounds.py",),
    ),
    Bug(
        "a probe may lie anywhere",
        "shared/config_files.py",
        "    if not real.is_relative_to(base) or real == base:\n",
        "    if real == base:\n",
        ("tests/unit/test_config_bounds.py",),
    ),
    Bug(
        "a URL keeps whatever its query says",
        "shared/core/urls.py",
        "        if form is not None and form.fullmatch(value) and names.count(known) == 1:\n",
        "        if form is None or form.fullmatch(value):\n",
        ("tests/unit/test_config_bounds.py",),
    ),
)
