"""The limits of the pipelines file: its size, depth, time, and number of messages."""

import time
from pathlib import Path

import pytest

from shared.config.yaml_reader import Loader
from tests.unit.config.pipelines_file import put, written
from tests.unit.config.written_file import load, load_one, reported
from tests.unit.written_yaml import yaml_of

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
    assert len(reported(found)) < 400_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LARGE["aliases as list"], "aliases make it larger than 50000"),
        (LARGE["a long text, often"], "1000000 characters"),
        (LARGE["a list that holds itself"], "line 1: an alias is inside what it names"),
        (LARGE["a mapping that merges itself"], "an alias is inside what it names"),
        (LARGE["a loop over two"], "an alias is inside what it names"),
        (LARGE["two hundred levels of one alias"], "nested too deeply"),
        (LARGE["deep mappings"], "nested too deeply"),
        (LARGE["many keys"], "is larger than 512 KB"),
        (LARGE["many pipelines"], "lists more than 500 pipelines"),
        ("pipelines: {a: [" + "1," * 20_001 + "]}", "more than 20000 keys and values"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins: remove the line ---"),
        ("pipelines: {a: &x 1, b: &x 1}", "an anchor of this name"),
        ("pipelines: {a: *nope}", "quote a value that begins with *"),
        ("pipelines: {a: 1}\npipelines: {b: 1}", "is at the top twice"),
    ],
)
def test_what_makes_the_whole_file_unreadable_is_reported(
    folder: Path, text: str, message: str
) -> None:
    found = load(folder, text)
    assert not found.readable
    assert found.broken == {}
    (problem,) = found.problems
    assert message in str(problem)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("!secret x", "line 4: a tag"),
        ("!!python/object:os.system x", "line 4: a tag"),
        ("!!binary aGVsbG8=", "line 4: a tag"),
        ("!!set {a, b}", "line 4: a tag"),
        ("!!int x", "pipelines.yaml:4: pipelines.bad.training.parameters.x: a number that"),
        ("9" * 41, "x: a number of more than 40 digits"),
        ("0x" + "f" * 41, "x: a number of more than 40 digits"),
        ("1.0e+999999", "would not be written back as it is: quote it"),
        ("x" * 10_001, "line 4: a text of more than 10000 characters"),
        ('"\\uD800"', "line 4: half a character"),
        ("{? [a] : b}", "line 4: a key must be a word"),
        ("{<<: 5}", "line 4: a tag or value that is not plain YAML"),
        ("{a: 1, a: 2}", "is written above already"),
    ],
)
def test_what_is_wrong_with_one_value_keeps_no_other_pipeline_from_being_read(
    folder: Path, value: str, message: str
) -> None:
    good = yaml_of({"good": written(lambda _: None)})
    text = f"pipelines:\n  bad:\n    training:\n      parameters: {{x: {value}}}\n"
    found = load(folder, text + "  " + good.replace("\n", "\n  "))
    assert list(found.pipelines) == ["good"]
    assert list(found.broken) == ["bad"]
    assert message in reported(found)


def test_anchors_and_merge_keys_that_people_write_are_understood(folder: Path) -> None:
    one = written(lambda _: None)
    text = yaml_of({"pipelines": {"a": one}}).replace("  a:\n", "  a: &a\n")
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
    found = load(folder, yaml_of({"pipelines": {"one": one, "two": other}}))
    assert list(found.pipelines) == ["one"]
    assert "pipelines.two.name: unknown key" in reported(found)


def test_of_many_mistakes_the_first_are_listed_and_the_others_counted(folder: Path) -> None:
    found = load_one(folder, lambda one: one.update({f"x{n}": 1 for n in range(500)}))
    assert 40 <= len(found.problems) <= 60
    assert str(found.problems[-1]) == "pipelines.census: 450 more problems"
