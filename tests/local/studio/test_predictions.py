"""The stand-in scores rows with the new model, and with the models whose URLs a job is given."""

import csv
import io
from typing import Any

from local.studio import InstantTrainer, OutputKind, Parameter, ParameterKind
from local.studio.predictions import predictions
from tests.local.studio.bench import BASE, CSV, Bench


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def trained(content: bytes) -> bytes:
    return InstantTrainer().train({"input1": content}, {}, label=None).model


def test_each_row_has_its_id_its_label_and_a_score_of_each_model() -> None:
    mine, live = trained(CSV), trained(CSV + b"70,1,0\n")
    found = rows(predictions(mine, CSV, {"live": live}, None))

    assert [row["id"] for row in found] == ["1", "2", "3", "4"]
    assert [row["label"] for row in found] == ["0", "1", "0", "1"]
    assert all(0 <= float(row["candidate"]) <= 1 for row in found)
    assert [row["candidate"] for row in found] != [row["live"] for row in found]
    alone = rows(predictions(live, CSV, {}, None))
    assert [row["candidate"] for row in alone] == [row["live"] for row in found]


def test_a_model_that_lacks_a_column_scores_no_row() -> None:
    other = trained(b"age,height,label\n1,2,0\n")

    assert {row["live"] for row in rows(predictions(other, CSV, {"live": other}, None))} == {""}


def scored(bench: Bench, live: str | None) -> Any:
    """Bring a job to its end whose service scores the rows of its holdout."""
    service = bench.publish_training(
        inputs=("input1", "holdout"),
        outputs={"scored": OutputKind.PREDICTIONS},
        parameters={"live": Parameter(ParameterKind.MODEL)},
    )
    bench.blobs.contents[f"{BASE}in/holdout.csv"] = CSV[: CSV.index(b"50,")]
    bench.blobs.contents[f"{BASE}models/live.ilearner"] = trained(CSV)
    inputs = {name: bench.reference(f"in/{name}.csv") for name in ("holdout", "census")}
    return bench.finished(
        service,
        {
            "Inputs": {"input1": inputs["census"], "holdout": inputs["holdout"]},
            "Outputs": {"scored": bench.reference("out/scored.csv", "cw")},
            "GlobalParameters": {} if live is None else {"live": live},
        },
    )


def test_a_job_scores_its_holdout_by_the_model_at_a_url() -> None:
    bench = Bench()
    assert scored(bench, f"{BASE}models/live.ilearner{bench.sas()}")["StatusCode"] == "Finished"

    found = rows(bench.blobs.contents[f"{BASE}out/scored.csv"])
    assert [row["id"] for row in found] == ["1", "2"]
    alone = rows(predictions(trained(CSV), CSV, {}, None))
    assert [row["live"] for row in found] == [row["candidate"] for row in alone[:2]]


def test_a_job_that_is_given_no_other_model_scores_its_own() -> None:
    bench = Bench()
    assert scored(bench, None)["StatusCode"] == "Finished"

    assert b"id,label,candidate\n" in bench.blobs.contents[f"{BASE}out/scored.csv"]


def test_a_model_that_cannot_be_loaded_fails_the_job() -> None:
    bench = Bench()
    status = scored(bench, f"{BASE}models/other.ilearner{bench.sas()}")

    assert status["StatusCode"] == "Failed"
    assert "the model of parameter live cannot be loaded" in status["Details"]
