"""The help of `relearn` and of its commands."""

from typing import Final

HELP: Final = """\
Retrains machine-learning models when new data arrives, and updates the endpoints that serve them.

\b
First steps, in a folder with local.settings.json and pipelines.yaml:
  relearn validate pipelines.yaml    every problem in the file, with its line
  relearn doctor                     what does not work yet, and how to correct it
  relearn upload new.csv             data for the app that `make run` serves

\b
From Azure Data Factory:
  relearn import-adf factory/        a pipelines file of its definitions, and what differs

\b
Another gate, over past runs:
  relearn backtest gate.yaml --pipeline churn

\b
An app in Azure:
  export RELEARN_FUNCTION_KEY=...    or enter it when you are asked for it
  relearn doctor --url https://<app>.azurewebsites.net

\b
Exit codes: 0 all is well, 1 something is wrong, 2 the command was not used correctly.
`relearn COMMAND --help` has examples of each command.
"""
DOCTOR: Final = """\
Check everything that the app needs, and print whether each thing works.

It checks settings, identity, clock, rights at each container, queues, training services,
endpoints and timers. Each line is ok, wrong with the correction, or not checked with the reason.
Nothing is changed except scratch blobs, which are deleted. It takes seconds; three minutes at most.

\b
With the settings of this folder:
  relearn doctor
  relearn doctor --settings ../other/local.settings.json
An app in Azure, as its own identity sees it (the key is never an argument):
  relearn doctor --url https://<app>.azurewebsites.net
For a program:
  relearn doctor --json | jq '.lines[] | select(.result == "wrong")'
"""
VALIDATE: Final = """\
Check a pipelines file, and the files that it names, without an app or a service.

Every problem has its line and a correction. ${NAME} stands for an app setting. App settings are
read from the environment, and from the settings file if it exists.

\b
  relearn validate pipelines.yaml
  relearn validate pipelines.yaml --settings production.settings.json
  relearn validate pipelines.yaml --json | jq .problems
"""
UPLOAD: Final = """\
Upload a file to the training data container of the local storage, as new data.

The blob has the name of the file, in the folder with which a pipeline's pattern begins; --name
sets another name. If the app runs (`make run`), the run that the data opens is shown.

\b
  relearn upload new.csv
  relearn upload new.csv --name customers/4711/2026-11-27.csv
"""

IMPORT: Final = """\
Make a pipelines file of the definitions of an Azure Data Factory, with a report.

It reads both versions of Data Factory, and imports the activities that train and update web
services of Studio (classic). PATH is the folder of a factory's git repository (pipeline/,
dataset/, linkedService/, trigger/), another folder, a file, or an exported template of Resource
Manager. Give all files at once, because they name each other.

It writes four files into a folder: pipelines.yaml, local.settings.json, import-report.md and
import-report.json. The report has a line for each activity, dataset, policy and trigger: mapped,
approximated (what differs, and why) or not carried over (why, and what to do). The terminal
shows the lines for which you have to do something; --all shows all lines.

No secret is copied: each becomes an app setting, and the report says where it was. Existing files
are overwritten only with --force.

\b
  relearn import-adf factory/
  relearn import-adf pipeline.json datasets/ linked-services/ --output imported
  relearn import-adf ARMTemplateForFactory.json --parameters ARMTemplateParametersForFactory.json
  relearn import-adf factory/ --json | jq '.lines[] | select(.outcome == "not carried over")'
Then:
  relearn validate imported/pipelines.yaml
"""

BACKTEST: Final = """\
Replay a gate over the recorded runs of an app, and show which would have ended differently.

FILE has the gate. It is a pipelines file, or a file with a section `gate:` as in a pipelines file;
then --pipeline names the pipeline whose runs are replayed. Each model is judged again by the rules
of FILE, against the model that was live then. If a record has too little, the evaluation and the
predictions of the run are read again. No record and no endpoint is changed. The command prints the
runs that would have ended differently, and those where this is unknown; --all prints all runs.

\b
  relearn backtest gate.yaml --pipeline churn
  relearn backtest pipelines.yaml --pipeline churn --url https://<app>.azurewebsites.net
  relearn backtest gate.yaml --pipeline churn --last 200 --all
  relearn backtest gate.yaml --pipeline churn --json | jq '.runs[] | select(.changed)'
"""
