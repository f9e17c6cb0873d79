"""A sample to try: real data, a training service, and a scoring service with an endpoint."""

import csv
import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from local.studio.services import OutputKind, Parameter, ParameterKind, Published
from local.studio.state import Studio
from local.studio.training import REGULARIZATION, Trainer

RESOURCE = "Sample Model [trained model]"
_EVERY = 3  # the first model sees every third row, so that training on all of them moves scores

#: What is known of each cell in the data: ten measurements, in three forms.
_FORMS = ("mean {}", "{} error", "worst {}")
_MEASURED = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)

_SNIPPET = """\
pipelines:
  sample:
    data:
      blob: sample/{{name}}.csv
    when_busy: parallel
    training:
      service: {base}{training.jobs_url}
      api_key: ${{SAMPLE_TRAINING_KEY}}
      inputs: {{input1: "{{data}}"}}
      outputs: {{output1: model.ilearner, output2: evaluation.csv}}
    endpoints:
      - name: production
        kind: classic
        update: {base}{scoring.management_url}
        api_key: ${{SAMPLE_ENDPOINT_KEY}}
        resource: "{scoring.resource}"
        # to prove that a new model is live, score fixed rows at
        #   {base}{scoring.execute_url}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The published pair: the training service, and the scoring service's own endpoint."""

    training: Published
    scoring: Published

    def snippet(self, base_url: str) -> str:
        """Write the pair as a `pipelines.yaml`; the keys are named, not written."""
        return _SNIPPET.format(base=base_url, training=self.training, scoring=self.scoring)


def sample_data() -> bytes:
    """Give scikit-learn's breast cancer data as a CSV whose last column is the label.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    # Read without an import of the library: that takes a second, and most have no other use of it.
    library = find_spec("sklearn")
    if library is None or library.origin is None:
        raise ModuleNotFoundError("scikit-learn is not installed")
    written = Path(library.origin).parent / "datasets" / "data" / "breast_cancer.csv"
    _, *rows = csv.reader(io.StringIO(written.read_text(encoding="utf-8")))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(form.format(name) for form in _FORMS for name in _MEASURED), "benign"])
    for *values, label in rows:
        writer.writerow([*map(float, values), label])
    return text.getvalue().encode()


def as_arff(data: bytes) -> bytes:
    """Give a CSV of the sample as ARFF: its last column is the label, which is 0 or 1."""
    header, *rows = csv.reader(io.StringIO(data.decode()))
    *names, label = header
    lines = ["@relation sample", *(f"@attribute '{name}' numeric" for name in names)]
    lines += [f"@attribute {label} {{0,1}}", "@data", *map(",".join, rows), ""]
    return "\n".join(lines).encode()


def publish_sample(studio: Studio, trainer: Trainer) -> Sample:
    """Publish the pair; the scoring endpoint `production` starts with a weaker model."""
    training = studio.publish_training(
        "Sample [training exp.]",
        outputs={"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION},
        parameters={
            REGULARIZATION: Parameter(ParameterKind.NUMBER, default="1"),
            "Data date": Parameter(),
        },
    )
    header, *rows = sample_data().splitlines(keepends=True)
    first = header + b"".join(rows[::_EVERY])
    model = trainer.train({"input1": first}, {}, label=None).model
    scoring = studio.publish_scoring("Sample [predictive exp.]", resource=RESOURCE, model=model)
    return Sample(training, studio.add_endpoint(scoring.web_service_id, "production"))
