"""Which file of an output has the predictions, and how large it may be."""

import pytest

from shared.errors import PermanentError
from tests.unit.providers.azureml.service import RUN, Bench

ROWS = b"id,label,candidate\na,1,0.5\n"


@pytest.mark.parametrize(
    ("files", "wanted", "read"),
    [
        ({"predictions.csv": ROWS, "evaluation.json": b"{}"}, "metrics", "predictions.csv"),
        ({"rows.jsonl": ROWS, "plot.png": b"x"}, "metrics", "rows.jsonl"),
        ({"deep/scores.TSV": ROWS}, "metrics", "deep/scores.TSV"),
        ({"a.csv": b"x", "b.csv": ROWS}, "metrics/b.csv", "b.csv"),
    ],
)
def test_which_file_of_a_folder_has_the_predictions(
    files: dict[str, bytes], wanted: str, read: str
) -> None:
    bench = Bench()
    job = bench.finished()
    for name, content in files.items():
        bench.write(f"evaluation/{name}", content)

    found = bench.service.predictions(job, wanted)
    assert (found.path, found.content) == (f"runs/census/{RUN}/1/evaluation/{read}", ROWS)


def test_of_several_files_none_is_guessed() -> None:
    bench = Bench()
    job = bench.finished()
    for name in ("a.csv", "b.jsonl"):
        bench.write(f"evaluation/{name}", ROWS)

    with pytest.raises(PermanentError, match=r"write gate\.compare\.predictions: metrics/<file>"):
        bench.service.predictions(job, "metrics")


def test_predictions_that_are_not_there_are_missing_where_they_would_be() -> None:
    bench = Bench()
    found = bench.service.predictions(bench.finished(), "metrics")

    assert found.path == f"runs/census/{RUN}/1/evaluation/predictions.csv"
    assert (found.content, found.why) == (None, "output metrics has no file")


def test_predictions_may_be_larger_than_an_evaluation() -> None:
    bench = Bench()
    job = bench.finished()
    large = ROWS + b"b,0,0.1\n" * 200_000
    bench.write("evaluation/predictions.csv", large)

    assert bench.service.predictions(job, "metrics").content == large
    with pytest.raises(PermanentError):
        bench.service.evaluation(job, "metrics/predictions.csv")
