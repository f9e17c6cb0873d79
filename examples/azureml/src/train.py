"""Trains a logistic regression on a CSV, and writes the model and its evaluation.

The last column is the label, unless one is named. A fourth of the rows is held out, and the
evaluation is measured on it. Needs scikit-learn.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def read(file: Path, label: str | None) -> tuple[list[str], list[list[float]], list[str]]:
    """Return the names of the features, their values and the labels.

    Args:
        file: a CSV with a header.
        label: the column that has the labels; the last one unless it is given.

    Returns:
        Names, rows and labels.
    """
    with file.open(newline="", encoding="utf-8") as text:
        header, *rows = csv.reader(text)
    at = header.index(label) if label else len(header) - 1
    names = [name for position, name in enumerate(header) if position != at]
    values = [[float(one) for position, one in enumerate(row) if position != at] for row in rows]
    return names, values, [row[at] for row in rows]


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a CSV file")
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--evaluation", type=Path, required=True, help="its evaluation's folder")
    parser.add_argument("--regularization", type=float, default=1.0, help="C of the regression")
    parser.add_argument("--label", help="the column with the labels; default: the last one")
    options = parser.parse_args()
    try:
        names, values, labels = read(options.data, options.label)
    except ValueError as error:
        sys.exit(f"{options.data.name} cannot be trained on: {error}")
    fit_x, test_x, fit_y, test_y = train_test_split(
        values, labels, test_size=0.25, random_state=0, stratify=labels
    )
    scaler = StandardScaler().fit(fit_x)
    model = LogisticRegression(C=options.regularization, max_iter=10_000)
    model.fit(scaler.transform(fit_x), fit_y)
    chances = model.predict_proba(scaler.transform(test_x))[:, 1]
    truth = [one == model.classes_[1] for one in test_y]
    guesses = [chance >= 0.5 for chance in chances]  # noqa: PLR2004 - even odds
    measured = {
        "AUC": float(metrics.roc_auc_score(truth, chances)),
        "Accuracy": float(metrics.accuracy_score(truth, guesses)),
        "F1": float(metrics.f1_score(truth, guesses)),
        "rows": len(truth),  # with both counts it is known which differences are noise
        "positives": sum(truth),
    }
    learned = {
        "features": names,
        "means": scaler.mean_.tolist(),
        "scales": scaler.scale_.tolist(),
        "weights": model.coef_[0].tolist(),
        "bias": float(model.intercept_[0]),
        "classes": [str(one) for one in model.classes_],
    }
    for folder, name, content in (
        (options.model, "model.json", learned),
        (options.evaluation, "evaluation.json", measured),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(json.dumps(measured))  # noqa: T201 - the log of the job


if __name__ == "__main__":
    main()
