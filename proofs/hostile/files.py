"""Gives the app pipelines files of any content."""

import json
import random
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from proofs.captured_log import CapturedLog
from proofs.hostile.findings import ODD_FILES, SECRETS, Findings, leaks
from proofs.hostile.odd_values import a_path, odd
from shared.config.loader import load_pipelines
from tests.fakes.world import ROWS

_ROOT: Final = Path(__file__).parents[2]


class Files:
    """Odd pipelines files, in a folder that also has a probe."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pipelines.yaml"
        (folder / "probe.example.json").write_text(json.dumps(ROWS), encoding="utf-8")

    def odd(self, chance: random.Random, findings: Findings, log: CapturedLog) -> None:
        """Load one odd file, and check its problems."""
        del log
        self._file.write_bytes(_file(chance))
        known = environment()
        loaded = load_pipelines(self._file, known, development=chance.random() < 0.2)  # noqa: PLR2004 -- sometimes
        text = "\n".join(map(str, loaded.problems))
        text += "".join(one.model_dump_json() for one in loaded.pipelines.values())
        pasted = loaded.pipelines and leaks(text, known)
        if leaks("\n".join(map(str, loaded.problems)), known) or pasted:
            findings.broken(ODD_FILES, f"shows {leaks(text, known)}: {text[:200]}")
        if not loaded.problems and not loaded.pipelines:
            findings.broken(ODD_FILES, "neither pipelines nor problems")


def environment() -> dict[str, str]:
    """Return the settings that the example names, and one that it does not."""
    return {
        "CENSUS_TRAINING_KEY": SECRETS["TRAINING_KEY"],
        "CENSUS_ENDPOINT_KEY": SECRETS["ENDPOINT_KEY"],
        "OTHER": SECRETS["PARAMETER"],
    }


def _file(chance: random.Random) -> bytes:
    if chance.random() < 0.1:  # noqa: PLR2004 -- mostly it is nearly right
        return chance.randbytes(chance.choice((0, 3, 400)))
    if chance.random() < 0.3:  # noqa: PLR2004 -- as above
        return _odd_tree(chance)
    lines = (_ROOT / "pipelines.example.yaml").read_text(encoding="utf-8").splitlines()
    tokens = (
        *(
            "&a",
            "*a",
            "!!python/object:os.system x",
            "!!binary x",
            "<<: *a",
            "? [a]: b",
            "? {a: b}",
        ),
        *("${CENSUS_TRAINING_KEY}", "${OTHER}", "${", "$$", "${NOPE}", "null", "~", "[]", "{}"),
        *("9" * 5000, "0x_", ".nan", "1e999", "2026-02-30", "2026-99-99", "-", "|", ">", "%", "@"),
        *("\t", "\x00", "\x85", "\u2028", "\ufeff", "é", "'", '"', "...", "---", "rows: ../../etc"),
        *("rows: .", "rows: \x7f", "{a}/{a}.csv", "{name", "0 0 31 2 *", "1h1", "-5m", "1e9h"),
        "[" * 3000,
    )
    if chance.random() < 0.2:  # noqa: PLR2004 -- the key itself is pasted
        pasted = json.dumps(SECRETS["ENDPOINT_KEY"])
        lines = [line.replace("${CENSUS_ENDPOINT_KEY}", pasted) for line in lines]
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line, token = lines[at], chance.choice(tokens)
        what = chance.randrange(6)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif what == 2:  # noqa: PLR2004 -- one of the ways
            lines[at] = f"{line.partition(':')[0]}: {token}"
        elif what == 3:  # noqa: PLR2004 -- one of the ways
            cut = chance.randrange(len(line) + 1)
            lines[at] = line[:cut] + token + line[cut:]
        elif what == 4:  # noqa: PLR2004 -- one of the ways
            lines[at] = line.replace(" ", "", chance.randint(1, 4))
        else:
            lines[at] = line[: chance.randrange(len(line) + 1)]
        lines = lines or [""]
    return "\n".join(lines).encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-16")), "replace")


@cache
def _example_text() -> str:
    text = (_ROOT / "pipelines.example.yaml").read_text(encoding="utf-8")
    return json.dumps(yaml.safe_load(text))


def example() -> dict[str, Any]:
    """Return the example of a pipelines file, to be changed."""
    tree: dict[str, Any] = json.loads(_example_text())
    return tree


def _odd_tree(chance: random.Random) -> bytes:
    """Return the example with some of its nodes replaced by others, as valid YAML."""
    tree = example()
    secrets = tuple(environment().values())
    for _ in range(chance.randint(1, 3)):
        path = a_path(tree, chance, deeper=0.9)
        if not path:
            break
        holder, key = path[-1]
        form = chance.randrange(3)
        if form == 0 and isinstance(holder, dict):
            holder[chance.choice(("x", 1, None, True, 1.5, "é\n", "name"))] = holder[key]
        elif key == "api_key":  # the key itself is pasted
            holder[key] = chance.choice(secrets)
        else:
            holder[key] = json.loads(json.dumps(odd(chance, (), 2)))
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")
