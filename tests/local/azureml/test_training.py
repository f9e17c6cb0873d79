"""Commands of components are run for real, with paths in place of inputs and outputs."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from local.azureml.commands import _SCRIPT, CommandTrainer, command_line
from local.azureml.switches import quick
from tests.local.azureml.bench import Bench

FOLDER = {"jobOutputType": "uri_folder"}
LOG = "ExperimentRun/dcid.{}/user_logs/std_log.txt"


@pytest.fixture
def bench() -> Bench:
    course = quick(timedelta(seconds=1)).course
    return Bench(trainer=CommandTrainer({"MADE": "up"}), course=course)


def run(bench: Bench, name: str = "j", seconds: float = 30) -> str:
    """Wait until a job has ended: its process takes real time, all else the fake clock's."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        bench.clock.move(timedelta(seconds=1))
        status = str(bench.job(name)["status"])
        if status in ("Completed", "Failed", "Canceled"):
            return status
        time.sleep(0.02)
    raise AssertionError(f"{name} is {status}")


def shell(bench: Bench, line: str, **members: Any) -> str:
    """Run a command job, and return its status."""
    answer = bench.ask("PUT", "jobs/j", {"properties": bench.command(line, **members)})
    assert answer.status == 201, answer.body
    return run(bench)


def error_of(bench: Bench, name: str = "j") -> str:
    return str(bench.data_of(name)["error"]["error"]["message"])


def test_the_sample_learns_and_writes_model_and_evaluation(bench: Bench) -> None:
    header = b"x,y,label\n"
    rows = b"".join(b"%d,%d,%d\n" % (n % 7, n % 5, n % 7 > 3) for n in range(80))
    bench.files.write("training-data", "census/a.csv", header + rows)
    bench.put()
    assert run(bench) == "Completed"
    written = {name: one for (_, name), one in bench.files.contents.items() if "r7k2" in name}
    evaluation = json.loads(written["runs/census/r7k2/1/evaluation/evaluation.json"])
    assert evaluation["AUC"] > 0.95
    model = json.loads(written["runs/census/r7k2/1/model/model.json"])
    assert model["features"] == ["x", "y"]
    assert len(model["weights"]) == 2
    (step,) = bench.children()
    details = bench.plane("GET", "history/v1.0", f"runs/{step['runId']}/details").json()
    (address,) = details["logFiles"].values()
    assert "sig=" in address
    assert b"AUC" in bench.files.read("azureml", LOG.format(step["runId"]))


def test_data_that_is_not_there_fails_the_step(bench: Bench) -> None:
    missing = {"jobInputType": "uri_file", "uri": "azureml://datastores/training/paths/none.csv"}
    bench.put(inputs={"training_data": missing})
    assert run(bench) == "Failed"
    (step,) = bench.children()
    assert "ScriptExecution.StreamAccess.NotFound" in step["error"]["error"]["message"]


def test_a_table_that_cannot_be_trained_on_is_the_scripts_own_words(bench: Bench) -> None:
    bench.files.write("training-data", "census/a.csv", b"a,label\nred,1\n")
    bench.put()
    assert run(bench) == "Failed"
    (step,) = bench.children()
    message = step["error"]["error"]["message"]
    assert "exited with status code 1" in message
    assert "a.csv cannot be trained on: could not convert string to float" in message


def test_inputs_and_outputs_are_paths_and_literals_texts(bench: Bench) -> None:
    bench.files.write("training-data", "folder/one.txt", b"1")
    bench.files.write("training-data", "folder/deep/two.txt", b"2")
    place = "azureml://datastores/training/paths/folder/"
    inputs = {
        "all": {"jobInputType": "uri_folder", "uri": place},
        "word": {"jobInputType": "literal", "value": "it's $HOME"},
    }
    out = FOLDER | {"uri": "azureml://datastores/models/paths/out/"}
    one = {"jobOutputType": "uri_file", "uri": "azureml://datastores/models/paths/one.txt"}
    line = (
        "cat ${{inputs.all}}/one.txt ${{inputs.all}}/deep/two.txt > ${{outputs.one}} && "
        "mkdir ${{outputs.out}}/in && echo ${{inputs.word}} $MADE $OWN > ${{outputs.out}}/in/w.txt"
    )
    own = {"OWN": "value"}
    status = shell(
        bench, line, inputs=inputs, outputs={"out": out, "one": one}, environmentVariables=own
    )
    assert status == "Completed", error_of(bench)
    assert bench.files.read("models", "one.txt") == b"12"
    assert bench.files.read("models", "out/in/w.txt") == b"it's $HOME up value\n"


def test_outputs_without_a_place_are_shown_by_the_job(bench: Bench) -> None:
    assert shell(bench, "echo 1 > ${{outputs.o}}/x", outputs={"o": FOLDER}) == "Completed"
    container, path = bench.service.datastores.place(bench.job()["outputs"]["o"]["uri"])
    assert bench.files.read(container, f"{path}x") == b"1\n"


def test_a_command_sees_no_variables_of_the_stand_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", "AccountKey=secret")
    assert shell(bench, "env") == "Completed"
    assert b"secret" not in bench.files.read("azureml", LOG.format("j"))


def test_a_job_over_its_time_limit_is_canceled(bench: Bench) -> None:
    limits = {"jobLimitsType": "Command", "timeout": "PT0S"}
    assert shell(bench, "sleep 60", limits=limits) == "Canceled"


def test_a_cancelled_command_is_ended_with_its_children(bench: Bench) -> None:
    line = "(sleep 2; echo late) & wait"
    bench.ask("PUT", "jobs/j", {"properties": bench.command(line)})
    bench.clock.move(timedelta(seconds=2))
    assert bench.job()["status"] == "Running"
    assert bench.ask("POST", "jobs/j/cancel").status == 200
    assert run(bench) == "Canceled"
    deadline = time.monotonic() + 10
    while ("azureml", LOG.format("j")) not in bench.files.contents:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert b"late" not in bench.files.read("azureml", LOG.format("j"))


def test_a_job_waits_in_the_queue_before_its_command_runs(bench: Bench) -> None:
    bench.ask("PUT", "jobs/j", {"properties": bench.command("echo 1")})
    assert bench.job()["status"] == "Preparing"
    bench.clock.move(timedelta(seconds=1))
    assert bench.job()["status"] == "Queued"
    assert bench.service.jobs.all["j"].training is None


def test_steps_pass_on_what_they_make(bench: Bench) -> None:
    def component(name: str, line: str, inputs: dict[str, Any]) -> str:
        spec = {
            "type": "command",
            "command": line,
            "inputs": inputs,
            "outputs": {"o": {"type": "uri_folder"}},
        }
        return bench.hooks.add_asset("components", name, "1", {"componentSpec": spec})

    first = component("first", "echo 1 > ${{outputs.o}}/x", {})
    folder = {"i": {"type": "uri_folder"}}
    second = component("second", "cp ${{inputs.i}}/x ${{outputs.o}}/y", folder)
    bound = {"job_input_type": "literal", "value": "${{parent.jobs.a.outputs.o}}"}
    last = {"o": {"type": "literal", "value": "${{parent.outputs.model}}"}}
    jobs = {
        "b": {"componentId": second, "inputs": {"i": bound}, "outputs": last},
        "a": {"componentId": first},
    }
    outputs = {"model": FOLDER | {"uri": "azureml://datastores/models/paths/m/"}}
    own = bench.pipeline(componentId=None, jobs=jobs, inputs={}, outputs=outputs)
    assert bench.ask("PUT", "jobs/j", {"properties": own}).status == 201
    assert run(bench) == "Completed"
    assert bench.files.read("models", "m/y") == b"1\n"
    assert [one["displayName"] for one in bench.children()] == ["a", "b"]


def test_what_comes_after_a_failed_step_is_canceled(bench: Bench) -> None:
    def component(name: str, line: str) -> str:
        spec = {"type": "command", "command": line}
        return bench.hooks.add_asset("components", name, "1", {"componentSpec": spec})

    jobs = {
        name: {"componentId": component(f"step_{name}", line)}
        for name, line in (("a", "true"), ("b", "false"), ("c", "true"))
    }
    own = bench.pipeline(componentId=None, jobs=jobs, inputs={}, outputs={})
    bench.ask("PUT", "jobs/j", {"properties": own})
    assert run(bench) == "Failed"
    shown = {one["displayName"]: one["status"] for one in bench.children()}
    assert shown == {"a": "Completed", "b": "Failed", "c": "Canceled"}
    assert "Failed nodes: /b." in error_of(bench)


def test_optional_parts_of_a_command_go_with_their_inputs() -> None:
    line = "t $[[--a ${{inputs.a}}]] $[[--b ${{ inputs.b }}]]"
    assert command_line(line, {"inputs.b": "x y"}) == "t  --b 'x y'"


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("python train.py", "train.py"),
        ("python train.py --data data/a.csv  --name 'it is' --part 0.5", "train.py"),
        ("python train.py && rm -r .", None),
        ("python train.py > log", None),
        ("python train.py $HOME", None),
        ("python -m train", None),
        ("python deep/train.py", None),
        ("sh train.sh", None),
    ],
)
def test_no_shell_is_left_out_where_one_is_needed(line: str, script: str | None) -> None:
    found = _SCRIPT.fullmatch(line)
    assert (found and found[1]) == script
