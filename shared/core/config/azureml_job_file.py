"""Checks a job as `az ml job create -f` takes it: it must need nothing that is only on a disk.

Relearn uploads nothing: code and environment are registered, steps are registered components
(azure-machine-learning-v2 §2.1, §2.2).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.core.config.azureml_names import asset_of, place_in_datastore
from shared.core.config.problems import Mistake

Job = Mapping[str, Any]

_ONCE: Final = (
    "run it once with `az ml job create -f`, and name that job under `like`; or register it as a "
    "component with `az ml component create -f`, and name that under `component`"
)
_COMMON: Final = frozenset(
    {
        "$schema",
        "type",
        "name",
        "display_name",
        "description",
        "experiment_name",
        "tags",
        "properties",
        "compute",
        "inputs",
        "outputs",
        "identity",
        "services",
    }
)
_OF_COMMAND: Final = _COMMON | frozenset(
    {
        "command",
        "code",
        "environment",
        "environment_variables",
        "resources",
        "distribution",
        "limits",
        "queue_settings",
    }
)
_OF_PIPELINE: Final = _COMMON | {"jobs", "settings"}
_OF_STEP: Final = frozenset(
    {
        "type",
        "name",
        "component",
        "compute",
        "inputs",
        "outputs",
        "environment_variables",
        "resources",
        "distribution",
        "limits",
        "identity",
        "queue_settings",
        "display_name",
        "description",
        "tags",
        "comment",
    }
)
_OF_SETTINGS: Final = frozenset(
    {
        "default_compute",
        "default_datastore",
        "continue_on_step_failure",
        "continue_on_failed_optional_input",
        "force_rerun",
    }
)
_LITERALS: Final = ("number", "integer", "boolean", "string")
_KINDS: Final = ("command", "pipeline")
_MAPPINGS: Final = (
    *("tags", "properties", "inputs", "outputs", "identity", "services", "environment_variables"),
    *("resources", "distribution", "limits", "queue_settings", "settings"),
)
#: Seconds, or a span as requests have it.
_TIMEOUT: Final = re.compile(r"0*[1-9]\d{0,9}|PT?[0-9][0-9.A-Z]{0,20}")
_LATER: Final = ("sweep", "automl", "spark", "parallel", "import", "finetuning", "distillation")
_BINDING: Final = re.compile(r"\$\{\{.*\}\}", re.DOTALL)
_REGISTERED: Final = re.compile(
    r"azureml:[^/]+(?::|@)[^/]+|azureml://registries/.+|(?:azureml:)?/subscriptions/.+"
)
_REMOTE: Final = re.compile(r"(?:azureml:|https://|wasbs://|abfss://).+")


def kind_of(job: Job) -> str:
    """Return the kind of a job: `type`, or what its members make of it."""
    kind = job.get("type") or ("pipeline" if "jobs" in job else "command")
    return str(kind).lower()


def mistakes_in(job: Job) -> Iterator[Mistake]:
    """Yield everything in a job that Relearn cannot send, and the correction."""
    kind = kind_of(job)
    if "component_name" in job or "deployment" in job or kind == "batch":
        yield Mistake("batch endpoints are not supported yet", "name their component", ("job",))
        return
    if kind not in _KINDS:
        what = f"a job of type {kind} is not supported{' yet' * (kind in _LATER)}"
        yield Mistake(what, f"{' or '.join(_KINDS)}", at=("job", "type"))
        return
    known = _OF_PIPELINE if kind == "pipeline" else _OF_COMMAND
    for name in job:
        if name not in known:
            yield Mistake(f"is unknown for a job of type {kind}", "remove it", ("job", name))
    yield from _form_mistakes(job, ("job",))
    yield from _pipeline_mistakes(job) if kind == "pipeline" else _command_mistakes(job)


def local_inputs(job: Job) -> tuple[str, ...]:
    """Return the inputs of a job whose data is a local path, or not said."""
    inputs = job.get("inputs")
    if not isinstance(inputs, Mapping):
        return ()
    return tuple(name for name, given in inputs.items() if _is_local(given))


def input_names(job: Job) -> tuple[str, ...]:
    """Return the names of a job's inputs."""
    return _names(job, "inputs")


def output_names(job: Job) -> tuple[str, ...]:
    """Return the names of a job's outputs."""
    return _names(job, "outputs")


def is_binding(value: object) -> bool:
    """Whether a value refers to another input or output, as `${{parent.inputs.x}}`."""
    return isinstance(value, str) and _BINDING.fullmatch(value.strip()) is not None


def _names(job: Job, member: str) -> tuple[str, ...]:
    given = job.get(member)
    return tuple(given) if isinstance(given, Mapping) else ()


def _is_local(given: object) -> bool:
    if not isinstance(given, Mapping):
        return False
    path = given.get("path")
    if path is None:
        return str(given.get("type", "uri_folder")) not in (
            "number",
            "integer",
            "boolean",
            "string",
        )
    return not (isinstance(path, str) and (_REMOTE.fullmatch(path) or is_binding(path)))


def _form_mistakes(holder: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[Mistake]:
    """Yield each member of a job or step that is of another form than the service takes."""
    for name in _MAPPINGS:
        if holder.get(name) is not None and not isinstance(holder[name], Mapping):
            yield Mistake("is a mapping", at=(*at, name))
    limits = holder.get("limits")
    timeout = limits.get("timeout") if isinstance(limits, Mapping) else None
    if timeout is not None and not _TIMEOUT.fullmatch(str(timeout)):
        yield Mistake("is a number of seconds", at=(*at, "limits", "timeout"))


def _command_mistakes(job: Job) -> Iterator[Mistake]:
    if not isinstance(job.get("command"), str):
        yield Mistake("a command job needs `command`", at=("job",))
    code = job.get("code")
    if code is not None and not _is_registered(code):
        yield Mistake("local code is not uploaded", _ONCE, ("job", "code"))
    yield from _environment_mistakes(job.get("environment"), ("job", "environment"))


def _environment_mistakes(given: object, at: tuple[str, ...]) -> Iterator[Mistake]:
    register = (
        "register it with `az ml environment create -f`, and write azureml:<name>:<version> here"
    )
    if isinstance(given, Mapping):
        inline = "an inline conda file" if "conda_file" in given else "an inline environment"
        yield Mistake(f"{inline} is not uploaded", register, at)
    elif not _is_registered(given):
        missing = "the environment is missing" if given is None else "does not name an environment"
        yield Mistake(missing, register, at)


def _pipeline_mistakes(job: Job) -> Iterator[Mistake]:
    steps = job.get("jobs")
    if not isinstance(steps, Mapping) or not steps:
        yield Mistake("a pipeline job needs `jobs`, its steps", at=("job", "jobs"))
        return
    settings = job.get("settings")
    if isinstance(settings, Mapping):
        yield from _settings_mistakes(settings)
    for name, step in steps.items():
        at = ("job", "jobs", str(name))
        if isinstance(step, Mapping):
            yield from _step_mistakes(step, at)
        else:
            yield Mistake("a step is a mapping", at=at)


def _settings_mistakes(settings: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in settings:
        if name not in _OF_SETTINGS:
            yield Mistake("is not a setting of a pipeline", "remove it", ("job", "settings", name))
    if settings.get("force_rerun") is False:
        yield Mistake(
            "a step would take the result of an older run",
            "leave it out: Relearn always sends true",
            ("job", "settings", "force_rerun"),
        )


def _step_mistakes(step: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[Mistake]:
    kind = str(step.get("type", "command")).lower()
    if kind not in _KINDS:
        yield Mistake(f"a step of type {kind} is not supported yet", " or ".join(_KINDS), at)
        return
    component = step.get("component")
    register = "register the step with `az ml component create -f`, and write"
    register = f"{register} component: azureml:<name>:<version>"
    if component is None:
        yield Mistake("a step with code of its own is not uploaded", register, at)
        return
    if not isinstance(component, str) or component.startswith("file:"):
        yield Mistake("does not name a registered component", register, (*at, "component"))
        return
    try:
        asset_of(component)
    except ValueError as exc:
        yield Mistake(str(exc), at=(*at, "component"))
    for name in step:
        if name not in _OF_STEP:
            yield Mistake("is unknown for a step", "remove it", (*at, name))
    yield from _form_mistakes(step, at)
    inputs = step.get("inputs")
    for name, given in inputs.items() if isinstance(inputs, Mapping) else ():
        if _is_local(given):
            yield Mistake("local data is not uploaded", _DATA, (*at, "inputs", str(name)))


_DATA: Final = "bind it to ${{parent.inputs.<name>}}, and give that one under training.inputs"


def _is_registered(given: object) -> bool:
    return isinstance(given, str) and (
        _REGISTERED.fullmatch(given) is not None and place_in_datastore(given) is None
    )
