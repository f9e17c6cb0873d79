"""The pipelines file and its probes, written by somebody of bad will: bounded, and kept inside."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from shared.config.loader import load_pipelines
from shared.config.yaml_reader import Loader
from shared.core.config.configuration import Configuration
from tests.unit.config.test_loader import ENVIRONMENT, both, put, written
from tests.unit.samples import BASE, ROWS, UPDATE

PROBE = "endpoints.0.verify.rows"
SECRET = "c2VjcmV0c2VjcmV0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the file, with a probe in it and others outside."""
    inside = tmp_path / "app"
    (inside / "probes").mkdir(parents=True)
    for file in (inside / "probe.json", inside / "probes" / "deep.json", tmp_path / "outside.json"):
        file.write_text(json.dumps(ROWS))
    return inside


def load(folder: Path, text: str, **settings: str) -> Configuration:
    file = folder / "pipelines.yaml"
    file.write_text(text, encoding="utf-8")
    return load_pipelines(file, {**ENVIRONMENT, **settings}, development=False)


def load_one(
    folder: Path, change: Callable[[dict[str, Any]], object], **settings: str
) -> Configuration:
    return load(folder, yaml.safe_dump({"pipelines": {"census": written(change)}}), **settings)


def told(found: Configuration) -> str:
    return "\n".join(map(str, found.problems))


# What is large, slow or deep


def levels(count: int, form: str, width: int = 10) -> str:
    lines = ["x0: &x0 [a, a]" if form != "merge" else "x0: &x0 {a: 1}"]
    for at in range(1, count + 1):
        many = ", ".join([f"*x{at - 1}"] * width)
        item = {
            "list": f"[{many}]",
            "mapping": "{" + ", ".join(f"k{n}: *x{at - 1}" for n in range(width)) + "}",
            "merge": "{<<: [" + many + f"], k{at}: 1}}",
        }[form]
        lines.append(f"x{at}: &x{at} {item}")
    lines.append(f"pipelines:\n  a: *x{count}")
    return "\n".join(lines)


LARGE: dict[str, str] = {
    **{f"aliases as {form}": levels(8, form) for form in ("list", "mapping", "merge")},
    "twenty levels of aliases": levels(20, "list"),
    "two hundred levels of one alias": levels(200, "list", width=1),
    "a list that holds itself": "pipelines: {a: &x [*x]}",
    "a mapping that merges itself": "pipelines: {a: &x {b: 1, <<: *x}}",
    "a loop over two": "pipelines: {a: &x {b: &y {c: *x}}}",
    "a long text, often": "x: &x " + "y" * 9_000 + "\npipelines: {a: [" + "*x, " * 10_000 + "]}",
    "many keys": "pipelines:\n" + "".join(f"  k{n}: 1\n" for n in range(60_000)),
    "many pipelines": "pipelines:\n" + "".join(f"  k{n}: {{}}\n" for n in range(2_000)),
    "many items": "pipelines: {a: [" + "1," * 500_000 + "]}",
    "deep lists": "pipelines: {a: " + "[" * 500_000,
    "deep dashes": "pipelines:\n  a:\n" + "- " * 500_000,
    "deep mappings": "pipelines: {a: " + "{a: " * 100_000,
    "deep keys": "? " * 500_000,
    "a megabyte of comment": "# x\n" * 260_000 + "pipelines: {a: 1}",
    "a megabyte of nothing": "\n" * 1_000_000,
    "a megabyte of text": "pipelines: {a: " + "x" * 1_000_000 + "}",
    "a megabyte of anchors": "".join(f"k{n}: &a{n} 1\n" for n in range(70_000)),
    "a megabyte of documents": "---\n" * 260_000,
    "sexagesimal": "pipelines: {a: {max_parallel: 1" + ":59" * 150_000 + "}}",
    "hexadecimal": "pipelines: {a: {max_parallel: 0x" + "f" * 400_000 + "}}",
    "binary": "pipelines: {a: {max_parallel: 0b" + "1" * 400_000 + "}}",
    "digits": "pipelines: {a: {max_parallel: " + "9" * 400_000 + "}}",
    "a long schedule": "x: &x '" + "1," * 4_000 + "1 * * * * *'\npipelines:\n"
    + "".join(f"  k{n}: {{schedule: *x}}\n" for n in range(490)),
    "schedules that never fire": "pipelines:\n"
    + "".join(f"  k{n}: {{schedule: '{n % 60} {n // 60} 0 31 2 *'}}\n" for n in range(490)),
    "wrong keys of a pipeline": "pipelines:\n  a:\n"
    + "".join(f"    wrong{n}: 1\n" for n in range(9_000)),
    "one key, often": "pipelines:\n  a:\n" + "    x: 1\n" * 9_000,
    "long keys": "pipelines:\n  a:\n"
    + "".join(f"    {'key' * 100}{n}: 1\n" for n in range(1_000)),
}  # fmt: skip


def test_what_aliases_make_large_is_measured_without_being_made(folder: Path) -> None:
    loader = Loader(levels(25, "list", width=20))
    with pytest.raises(ValueError, match="aliases make it larger"):
        loader.root()
    assert not folder.joinpath("pipelines.yaml").exists()


@pytest.mark.parametrize("name", LARGE)
def test_no_text_of_a_megabyte_takes_long_or_says_much(folder: Path, name: str) -> None:
    began = time.process_time()
    found = load(folder, LARGE[name])
    assert time.process_time() - began < 2
    assert found.problems
    assert found.pipelines == {}
    assert len(told(found)) < 400_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LARGE["aliases as list"], "aliases make it larger than 50000"),
        (LARGE["a long text, often"], "1000000 characters"),
        (LARGE["a list that holds itself"], "line 1: an alias stands inside what it names"),
        (LARGE["a mapping that merges itself"], "an alias stands inside what it names"),
        (LARGE["a loop over two"], "an alias stands inside what it names"),
        (LARGE["two hundred levels of one alias"], "nested too deeply"),
        (LARGE["deep mappings"], "nested too deeply"),
        (LARGE["many keys"], "is larger than 512 KB"),
        (LARGE["many pipelines"], "lists more than 500 pipelines"),
        ("pipelines: {a: [" + "1," * 30_000 + "]}", "more than 20000 keys and values"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins: remove the line ---"),
        ("pipelines: {a: &x 1, b: &x 1}", "an anchor of this name"),
        ("pipelines: {a: *nope}", "quote a value that begins with *"),
        ("pipelines: {a: 1}\npipelines: {b: 1}", "is at the top twice"),
    ],
)
def test_what_makes_the_whole_file_unreadable_is_told(folder: Path, text: str, says: str) -> None:
    found = load(folder, text)
    assert not found.readable
    assert found.broken == {}
    (problem,) = found.problems
    assert says in str(problem)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("!secret x", "line 4: a tag"),
        ("!!python/object:os.system x", "line 4: a tag"),
        ("!!binary aGVsbG8=", "line 4: a tag"),
        ("!!set {a, b}", "line 4: a tag"),
        ("!!int x", "pipelines.yaml:4: pipelines.bad.training.parameters.x: a number that"),
        ("9" * 41, "x: a number of more than 40 digits"),
        ("0x" + "f" * 41, "x: a number of more than 40 digits"),
        ("1.0e+999999", "would not be written back as it stands: quote it"),
        ("x" * 10_001, "line 4: a text of more than 10000 characters"),
        ('"\\uD800"', "line 4: half a character"),
        ("{? [a] : b}", "line 4: a key must be a word"),
        ("{<<: 5}", "line 4: a tag or value that is not plain YAML"),
        ("{a: 1, a: 2}", "stands above already"),
    ],
)
def test_what_is_wrong_with_one_value_keeps_no_other_pipeline_from_being_read(
    folder: Path, value: str, says: str
) -> None:
    good = yaml.safe_dump({"good": written(lambda _: None)})
    text = f"pipelines:\n  bad:\n    training:\n      parameters: {{x: {value}}}\n"
    found = load(folder, text + "  " + good.replace("\n", "\n  "))
    assert list(found.pipelines) == ["good"]
    assert list(found.broken) == ["bad"]
    assert says in told(found)


def test_anchors_and_merge_keys_that_people_write_are_understood(folder: Path) -> None:
    one = written(lambda _: None)
    text = yaml.safe_dump({"pipelines": {"a": one}}).replace("  a:\n", "  a: &a\n")
    found = load(folder, text + "  b:\n    <<: *a\n    when_busy: queue\n")
    assert found.problems == ()
    assert found.pipelines["a"].when_busy == "parallel"
    assert found.pipelines["b"].when_busy == "queue"
    assert found.pipelines["b"].training == found.pipelines["a"].training


def test_a_date_is_the_text_that_was_written(folder: Path) -> None:
    found = load_one(folder, put("training.parameters", {"d": "x"}))
    text = (folder / "pipelines.yaml").read_text().replace("d: x", "d: 2026-01-05 03:00:00")
    found = load(folder, text)
    assert found.pipelines["census"].training.parameters == {"d": "2026-01-05 03:00:00"}


def test_a_pipeline_is_named_by_its_key_alone(folder: Path) -> None:
    one, other = written(lambda _: None), written(put("name", "one"))
    found = load(folder, yaml.safe_dump({"pipelines": {"one": one, "two": other}}))
    assert list(found.pipelines) == ["one"]
    assert "pipelines.two.name: unknown key" in told(found)


def test_of_many_mistakes_the_first_are_listed_and_the_others_counted(folder: Path) -> None:
    found = load_one(folder, lambda one: one.update({f"x{n}": 1 for n in range(500)}))
    assert 40 <= len(found.problems) <= 60
    assert str(found.problems[-1]) == "pipelines.census: 450 more problems"


@pytest.mark.parametrize("special", ["folder", "fifo", "device"])
def test_a_file_that_is_none_is_refused_before_it_is_opened(folder: Path, special: str) -> None:
    file = folder / "odd.yaml"
    if special == "folder":
        file.mkdir()
    elif special == "fifo":
        os.mkfifo(file)  # whoever opened it would wait for ever
    else:
        file.symlink_to("/dev/zero")
    found = load_pipelines(file, {}, development=False)
    assert "is not a file" in told(found)
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
    assert "leads out of the folder" in told(found)  # the links lead to another folder
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
    assert "verify.rows" in told(found)
    assert SECRET not in told(found)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"Inputs": 1e999999}', "too large"),
        ('{"Inputs": -1e999999}', "too large"),
        ('{"Inputs": NaN}', "no number in JSON"),
        ('{"Inputs": Infinity}', "no number in JSON"),
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
def test_a_probe_that_no_record_can_hold_is_refused(folder: Path, content: str, says: str) -> None:
    (folder / "probe.json").write_text(content)
    found = load_one(folder, put(PROBE, "probe.json"))
    assert found.pipelines == {}
    assert says in told(found)
    assert SECRET not in told(found)


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
    assert "larger than 2048 KB" in told(found)


# Secrets that are written out


@pytest.mark.parametrize(
    "query",
    [
        f"sig={SECRET}",
        f"api-version=2.0&sig={SECRET}",
        f"api-version=2.0&SIG={SECRET}",
        f"api-version=2.0&s%69g={SECRET}",
        f"api-version=2.0&code={SECRET}",
        f"api-version={SECRET}",
        f"api-version=2.0;sig={SECRET}",
        f"api-version=2.0&details={SECRET}",
        f"api-version=2.0&format={SECRET}9",
        f"api-version=2.0&api-version=2.0&sv={SECRET}",
        f"api-version=2.0&{SECRET}",
        f"{SECRET}=",
        f"api-version=2.0%26sig%3D{SECRET}",
    ],
)
@pytest.mark.parametrize("place", ["training.service", "verify.score", "update"])
def test_a_query_that_is_not_documented_is_refused_and_never_repeated(
    folder: Path, place: str, query: str
) -> None:
    path, url = {
        "training.service": ("training.service", f"{BASE}/jobs"),
        "verify.score": ("endpoints.0.verify.score", f"{BASE}/execute"),
        "update": ("endpoints.0.update", UPDATE),
    }[place]
    found = load_one(folder, put(path, f"{url}?{query}"))
    assert found.pipelines == {}
    assert "remove it" in told(found)
    assert f"={SECRET}" not in told(found)
    if not query.startswith(SECRET):
        assert SECRET not in told(found)


def test_a_parameter_that_is_refused_is_named(folder: Path) -> None:
    found = load_one(folder, put("training.service", f"{BASE}/jobs?api-version=2.0&sig={SECRET}"))
    assert "the query parameter sig is not one of api-version, details, format" in told(found)


@pytest.mark.parametrize(
    "path", [f"&sig={SECRET}", f";sig={SECRET}", f"%26sig%3D{SECRET}", f"%2526sig%253D{SECRET}"]
)
def test_a_signature_in_the_path_of_a_url_is_refused(folder: Path, path: str) -> None:
    for place in ("training.service", "endpoints.0.verify.score"):
        found = load_one(folder, put(place, BASE + path))
        assert found.pipelines == {}
        assert SECRET not in told(found)
    found = load_one(folder, put("endpoints.0.update", UPDATE + path))
    assert found.pipelines == {}
    assert SECRET not in told(found)


@pytest.mark.parametrize(
    "text",
    [
        f"https://a.blob.core.windows.net/c/b?sv=1&sig={SECRET}",
        f"https%3A%2F%2Fa%2Fc%3Fsig%3D{SECRET}",
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey = {SECRET}",
        f"Endpoint=sb://x;SharedAccessKey={SECRET}",
        f"SharedAccessSignature={SECRET}",
        f"Server=x;Password={SECRET}",
    ],
)
def test_a_signature_or_key_in_any_text_is_refused_and_never_repeated(
    folder: Path, text: str
) -> None:
    for change in (
        put("training.parameters", {"x": text}),
        put("training.parameters", {"rows": text}),
    ):
        found = load_one(folder, change)
        assert found.pipelines == {}
        assert "looks like a signature or a key" in told(found)
        assert SECRET not in told(found)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(hashlib.sha256(b"a signature").digest()).decode(),
        quote(base64.b64encode(hashlib.sha512(b"an account key").digest()).decode(), safe=""),
        "p4ss;word=In/Xq7Zk2Lm9Vb4?",
    ],
    ids=["signature", "account key", "value of a setting"],
)
def test_a_key_without_its_name_is_refused_as_a_value_and_as_a_key(folder: Path, text: str) -> None:
    """Else the file would say it in clear, and nothing would hide it any more."""
    for change in (
        put("training.parameters", {"x": text}),
        put("training.parameters", {text: "x"}),
        put("endpoints.0.resource", f"{text} [trained model]"),
        put("data.blob", f"{text}/{{name}}.csv"),
    ):
        found = load_one(folder, change, OTHER_PASSWORD=text)
        assert found.pipelines == {}
        assert "looks like a signature or a key" in told(found)


def test_a_long_key_is_not_shown_in_part(folder: Path) -> None:
    found = load_one(folder, put("training", {SECRET * 9: "x"}))
    assert SECRET[:8] not in told(found)
    assert "(a key of" in told(found)


def test_a_text_that_names_an_app_setting_in_the_place_of_a_key_is_taken(folder: Path) -> None:
    text = "AccountName=a;AccountKey=${TRAINING_KEY};design=1;config=x"
    assert load_one(folder, put("training.parameters", {"x": text})).problems == ()


def test_a_setting_that_is_not_set_is_told_wherever_it_is_named(folder: Path) -> None:
    change = both(put("training.parameters", {"rows": "${NOT_SET}"}), put("when_busy", "queue"))
    assert "app setting NOT_SET is not set" in told(load_one(folder, change))


@pytest.mark.parametrize("login", ["@", ":@", "user@", "user:pass@"])
def test_every_form_of_a_login_in_a_url_is_refused(folder: Path, login: str) -> None:
    url = f"{BASE}/jobs".replace("https://", f"https://{login}")
    found = load_one(folder, put("training.service", url))
    assert "must not carry a user name or password" in told(found)
