"""Probe files: below the folder of the pipelines file, bounded, and real scoring requests."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.config.loader import load_pipelines
from tests.unit.config.pipelines_file import ENVIRONMENT, put
from tests.unit.config.written_file import SECRET, load_one, reported
from tests.unit.samples import ROWS, UPDATE

PROBE = "endpoints.0.verify.rows"


@pytest.mark.parametrize("special", ["folder", "fifo", "device"])
def test_a_file_that_is_none_is_refused_before_it_is_opened(folder: Path, special: str) -> None:
    file = folder / "odd.yaml"
    if special == "folder":
        file.mkdir()
    elif special == "fifo":
        os.mkfifo(file)  # opening it would wait for ever
    else:
        file.symlink_to("/dev/zero")
    found = load_pipelines(file, {}, development=False)
    assert "is not a file" in reported(found)
    assert not found.readable


# Probes


@pytest.mark.parametrize("name", ["probe.json", "./probe.json", "probes/deep.json", "linked.json"])
def test_a_probe_below_the_folder_is_read(folder: Path, name: str) -> None:
    (folder / "linked.json").symlink_to(folder / "probe.json")
    assert load_one(folder, put(PROBE, name)).problems == ()


def test_a_folder_that_is_mounted_by_links_is_the_folder(folder: Path, tmp_path: Path) -> None:
    # As Kubernetes mounts a ConfigMap.
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "..data").symlink_to(folder)
    load_one(folder, put(PROBE, "probe.json"))
    for name in ("pipelines.yaml", "probe.json"):
        (mounted / name).symlink_to(Path("..data") / name)
    (tmp_path / "here").symlink_to(mounted)
    found = load_pipelines(tmp_path / "here" / "pipelines.yaml", ENVIRONMENT, development=False)
    assert "leads out of the folder" in reported(found)  # the links lead to another folder
    found = load_pipelines(folder / "pipelines.yaml", ENVIRONMENT, development=False)
    assert found.problems == ()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json",
        "probes/../../outside.json",
        "probes/../probe.json",
        "..\\outside.json",
        "..",
        ".",
        "",
        " ",
        "{tmp}/outside.json",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "C:\\outside.json",
        "C:outside.json",
        "\\\\host\\share\\x.json",
        "file:///etc/passwd",
        f"https://account.blob.core.windows.net/c/p.json?sig={SECRET}",
        "way-out.json",
        "way-out/outside.json",
        "loop.json",
        "device.json",
        "fifo.json",
        "probes",
        "probe.json\x00",
        "~/outside.json",
        "none.json",
        SECRET,
        "x" * 5_000,
        "a/" * 5_000,
    ],
)
def test_a_probe_that_is_no_file_below_the_folder_is_refused(
    folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / "way-out.json").symlink_to(tmp_path / "outside.json")
    (folder / "way-out").symlink_to(tmp_path)
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "device.json").symlink_to("/dev/zero")
    os.mkfifo(folder / "fifo.json")
    found = load_one(folder, put(PROBE, name.replace("{tmp}", str(tmp_path))))
    assert found.pipelines == {}
    assert "verify.rows" in reported(found)
    assert SECRET not in reported(found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"Inputs": 1e999999}', "too large"),
        ('{"Inputs": -1e999999}', "too large"),
        ('{"Inputs": NaN}', "not a number in JSON"),
        ('{"Inputs": Infinity}', "not a number in JSON"),
        ('{"Inputs": ' + "9" * 100_000 + "}", "more than 40 digits"),
        ('{"Inputs": 0.' + "9" * 100_000 + "}", "too many digits"),
        ('{"Inputs": ' + "[" * 50 + "]" * 50 + "}", "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 40_000, "nested too deeply"),
        ('{"Inputs": "\\ud800"}', "half a character"),
        ('{"\\ud800": 1}', "half a character"),
        ('{"x": "' + "y" * 300_000 + '"}', "larger than 256 KB"),
        ("[1]", "not a scoring request"),
        ("", "is not JSON"),
        (f'{{"{SECRET}', "see its line 1"),
    ],
)
def test_a_probe_that_no_record_can_hold_is_refused(
    folder: Path, content: str, message: str
) -> None:
    (folder / "probe.json").write_text(content)
    found = load_one(folder, put(PROBE, "probe.json"))
    assert found.pipelines == {}
    assert message in reported(found)
    assert SECRET not in reported(found)


def test_a_probe_as_windows_writes_it_is_read(folder: Path) -> None:
    (folder / "probe.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROWS).encode())
    assert load_one(folder, put(PROBE, "probe.json")).problems == ()


def test_probes_that_make_records_large_are_refused(folder: Path) -> None:
    large = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["x" * 200_000]]}}}
    (folder / "probe.json").write_text(json.dumps(large))

    def many(one: dict[str, Any]) -> None:
        endpoint = one["endpoints"][0]
        update = UPDATE.removesuffix("production")
        one["endpoints"] = [
            {**endpoint, "name": f"e{n}", "update": f"{update}e{n}"} for n in range(20)
        ]

    found = load_one(folder, many)
    assert "larger than 2048 KB" in reported(found)
