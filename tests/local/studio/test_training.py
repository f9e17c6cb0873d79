"""Real training is deterministic, and reports data that it cannot use."""

import csv
import random
import subprocess
import sys
from typing import Any

import pytest

from local.studio import InstantTrainer, LogisticTrainer, TrainingFailedError
from local.studio.model import Model
from local.studio.sample import as_arff, sample_data
from tests.local.studio.bench import Bench


def _data(rows: int = 200, *, noise: float = 0.5, label: str = "label") -> bytes:
    draw = random.Random(7)  # noqa: S311 - data for a test, not a secret
    lines = [f"a,b,constant,{label}"]
    for _ in range(rows):
        a, b = draw.gauss(50, 10), draw.gauss(0, 1)
        lines.append(f"{a:.4f},{b:.4f},3,{int((a - 50) / 10 + b + draw.gauss(0, noise) > 0)}")
    return "\n".join(lines).encode()


def _train(
    content: bytes, label: str | None = None, **parameters: str
) -> tuple[Model, dict[str, float]]:
    trained = LogisticTrainer().train({"input1": content}, parameters, label=label)
    header, values = csv.reader(trained.evaluation.decode().splitlines())
    metrics = {name: float(value) for name, value in zip(header, values, strict=True)}
    return Model.loads(trained.model), metrics


def test_it_learns_what_is_in_the_data() -> None:
    model, metrics = _train(_data())
    assert model.features == ("a", "b", "constant")
    assert model.score({"a": 80, "b": 2, "constant": 3}).label == "1"
    assert model.score({"a": 20, "b": -2, "constant": 3}).label == "0"
    assert metrics["AUC"] > 0.9
    assert metrics["Accuracy"] > 0.8
    assert metrics["Average Log Loss"] < 0.5
    assert metrics["Training Log Loss"] > 30


def test_more_noise_is_a_worse_model() -> None:
    assert _train(_data(noise=0.2))[1]["AUC"] > _train(_data(noise=3))[1]["AUC"]


def test_the_same_data_gives_the_same_bytes() -> None:
    trainer = LogisticTrainer()
    first, second = (trainer.train({"input1": _data()}, {}, label=None) for _ in range(2))
    assert first == second


def test_the_regularization_changes_the_model() -> None:
    weak, strong = (
        _train(_data(), Regularization="100")[0],
        _train(_data(), Regularization="0.01")[0],
    )
    assert abs(weak.coefficients[0]) > abs(strong.coefficients[0])


def test_the_label_may_be_any_column_and_any_two_texts() -> None:
    rows = b"bought,age\n" + b"yes,60\nno,20\nyes,55\nno,25\n" * 4
    model, metrics = _train(rows, label="bought")
    assert model.features == ("age",)
    assert model.classes == ("no", "yes")
    assert metrics["Accuracy"] == 1.0


def test_the_sample_is_the_table_of_the_library() -> None:
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - it takes a second

    table = load_breast_cancer()
    header, *rows = csv.reader(sample_data().decode().splitlines())
    assert header == [*table.feature_names, "benign"]
    assert [[float(value) for value in row[:-1]] for row in rows] == table.data.tolist()
    assert [int(row[-1]) for row in rows] == table.target.tolist()


def test_real_data_gives_a_good_model() -> None:
    model, metrics = _train(sample_data())
    assert len(model.features) == 30
    assert metrics["AUC"] > 0.97
    assert _train(as_arff(sample_data())) == (model, metrics)


def test_few_rows_are_evaluated_on_themselves() -> None:
    _, metrics = _train(b"x,y\n1,0\n2,1\n")
    assert metrics["Accuracy"] == 1.0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"a,label\n", "no rows"),
        (b"1,2\n3,4\n", "no header"),
        (b"a,label\n1,0\n2,0\n", "exactly two classes, found 1"),
        (b"a,label\n1,0\n2,1\n3,2\n", "exactly two classes, found 3"),
        (b"a,label\nx,0\n2,1\n", "column 'a'"),
        (b"a,label\nnan,0\n2,1\n", "column 'a'"),
        (b"a,label\n1,0\n2\n", "row 2"),
        (b"a,a\n1,0\n2,1\n", "repeated column"),
        (b"label\n0\n1\n", "feature and a label"),
        (b"a,label\n1e308,0\n-1e308,1\n1e308,1\n", "too large"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_data_that_cannot_be_trained_on_fails_and_says_why(content: bytes, why: str) -> None:
    with pytest.raises(TrainingFailedError, match=why):
        LogisticTrainer().train({"input1": content}, {}, label=None)


def test_a_missing_label_column_fails() -> None:
    with pytest.raises(TrainingFailedError, match="'bought' is missing"):
        _train(_data(), label="bought")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much"])
def test_a_regularization_that_is_no_positive_number_fails(value: str) -> None:
    with pytest.raises(TrainingFailedError, match="Regularization"):
        _train(_data(), Regularization=value)


def test_several_inputs_are_trained_as_one_table() -> None:
    header, *rows = _data().splitlines(keepends=True)
    halves = {"input1": header + b"".join(rows[:100]), "input2": header + b"".join(rows[100:])}
    trained = LogisticTrainer().train(halves, {}, label=None)
    assert Model.loads(trained.model) == _train(_data())[0]
    with pytest.raises(TrainingFailedError, match="different columns"):
        LogisticTrainer().train({**halves, "input3": b"x,label\n1,0\n"}, {}, label=None)


def _arff(rows: str) -> bytes:
    head = "% labelled by hand\n\n@RELATION drives\n@attribute 'the speed' NUMERIC\n"
    return f"{head}@attribute fuel real\n@attribute label {{no,yes}}\n@DATA\n{rows}".encode()


def test_arff_is_trained_as_the_same_table_in_csv_is() -> None:
    rows = "1,5,no\n2,6.5,no\n% a comment\n3,7,yes\n4,8,yes\n"
    table = f"the speed,fuel,label\n{rows.replace('% a comment', '')}".encode()
    assert _train(_arff(rows)) == _train(table)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("", "the training data has no rows"),
        ("1,5,maybe\n", "cannot be read as ARFF: maybe value not in"),
        ("1,5\n", "cannot be read as ARFF"),
        ("1,?,no\n2,3,yes\n", "column 'fuel' has a value that is not a number"),
    ],
)
def test_arff_that_cannot_be_trained_on_fails_and_says_why(rows: str, why: str) -> None:
    with pytest.raises(TrainingFailedError, match=why):
        _train(_arff(rows))


def test_a_failed_job_says_why_in_the_real_form() -> None:
    bench = Bench(trainer=LogisticTrainer())
    bench.blobs.contents["https://data.blob.core.windows.net/in/census.csv"] = b"a,label\n1,0\n"
    status = bench.finished(bench.publish_training())
    assert status == {
        "StatusCode": "Failed",
        "Results": None,
        "Details": "FailedToTrainModel: the label must have exactly two classes, found 1, "
        "Error code: LibraryExecutionError, Http status code: 400, "
        "Timestamp: Wed, 01 Mar 2017 10:06:12 GMT",
    }


def test_a_trained_model_scores_where_it_is_patched() -> None:
    bench = Bench(trainer=LogisticTrainer())
    bench.blobs.contents["https://data.blob.core.windows.net/in/census.csv"] = _data(noise=0.1)
    endpoint = bench.publish_scoring(_data(noise=3))
    row: dict[str, Any] = {"a": 55, "b": 0.1, "constant": 3}
    before = bench.score(endpoint, **row).json()
    assert bench.finished(bench.publish_training())["StatusCode"] == "Finished"
    assert bench.patch(endpoint, bench.reference("out/model.ilearner")).status == 200
    bench.clock.advance(seconds=30)
    assert bench.score(endpoint, **row).json() != before


def test_the_instant_trainer_follows_bytes_and_parameters() -> None:
    trainer = InstantTrainer({"AUC": 0.5})
    first = trainer.train({"input1": b"a,b,label\n1,2,0"}, {}, label=None)
    assert Model.loads(first.model).features == ("a", "b")
    assert first.evaluation.splitlines()[1] == b"0.9,0.9,0.9,0.9,0.5,0.9,0.9"
    assert first == trainer.train({"input1": b"a,b,label\n1,2,0"}, {}, label=None)
    assert first != trainer.train({"input1": b"a,b,label\n1,2,1"}, {}, label=None)
    assert first != trainer.train({"input1": b"a,b,label\n1,2,0"}, {"p": "1"}, label=None)
    with pytest.raises(TrainingFailedError, match="empty"):
        trainer.train({"input1": b""}, {}, label=None)


def test_scoring_does_not_load_the_training_library() -> None:
    code = "import sys, local.studio; sys.exit('sklearn' in sys.modules or 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own code
    assert run.returncode == 0
