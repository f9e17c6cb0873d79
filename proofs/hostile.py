"""Feeds the app what an enemy would: answers, files, names and URLs; nothing breaks or leaks."""

import json
import random
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import yaml

from proofs.storage_trouble import Heard
from proofs.trial import Effort, Outcome, Violation
from shared.adapters import StudioAdapters
from shared.clients.arm_token import ArmToken
from shared.clients.http import Answer, RequestsHttp
from shared.clients.studio_references import read_results
from shared.config import load_pipelines
from shared.core.blobs import BlobVersion
from shared.core.evaluation import choose_row, metric_in, read_evaluation
from shared.core.pipeline import Pipeline
from shared.core.run import Phase, WayBack
from shared.errors import RelearnError
from shared.ports import JobRequest, ServingEndpoint
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import START, FakeClock
from tests.fakes.world import MODELS, ROWS, FixedCredential
from tests.unit.worlds import Observed

ODD_ANSWERS: Final = "whatever a service answers, only errors on purpose are raised"
ODD_EVALUATIONS: Final = "an evaluation of any bytes is read, or refused by a ValueError"
ODD_FILES: Final = "a pipelines file of any content is read, or refused with its problems"
ODD_NAMES: Final = "no blob's name leaves its place, breaks a line of the log, or stops the app"
URLS: Final = "no URL leads where the app should not call"
REDIRECTS: Final = "no key follows a redirect"
NO_SECRETS: Final = "no secret is in any log, record, error or answer"

_ROOT: Final = Path(__file__).parents[1]
_BASE: Final = "https://studio.example/workspaces/w1"
_ARM: Final = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers"
    "/Microsoft.MachineLearning/webServices/census?api-version=2017-01-01"
)
#: Long enough to be told from chance; with every character that JSON and URLs write otherwise.
_SECRETS: Final = {
    "TRAINING_KEY": 'tK9/+="q\\u0041 8dJ3-Zr',
    "ENDPOINT_KEY": "eK7+/==&sig%41hT5vQ2xW",
    "PARAMETER": "p4ss;word=In/Parameters?",
    "ARM_TOKEN": "eyJhbGciOiJub25lIn0.T0k3n.s1g",
}
_JOB: Final = "0123456789abcdef0123456789abcdef"
_FOLDERS: Final = frozenset(
    {
        *("versions", "inbox", "slots", "seats", "pauses", "index", "open", "runs", "heads"),
        *("watches", "pipelines", "schedules"),
    }
)
_SAFE: Final = re.compile(r"[a-z0-9/_-]+|poll|sweep|cleaning")

#: The hosts that no URL may name, however they are written.
_FORBIDDEN: Final = (
    "169.254.169.254",
    "169.254.0.1",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "2852039166",
    "0xa9fea9fe",
    "169.254.43518",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::]",
    "0.0.0.0",  # noqa: S104 -- to be refused
    "localhost",
    "localhost.",
    "LOCALHOST",
    "a.localhost",
    "224.0.0.1",
    "255.255.255.255",
)
_ALLOWED: Final = ("studio.example", "10.0.0.5", "192.168.1.7", "[fd12:3456::1]", "a.internal:8443")

_WORDS: Final = (
    "StatusCode",
    "Results",
    "Details",
    "error",
    "code",
    "message",
    "details",
    "target",
    "Name",
    "Resources",
    "Location",
    "BaseLocation",
    "RelativeLocation",
    "SasBlobToken",
    "ApiLocation",
    "PrimaryKey",
    "properties",
    "assets",
    "type",
    "swaggerLocation",
    "provisioningState",
    "errorInfo",
    "locationInfo",
    "uri",
    "value",
    "ColumnNames",
    "Values",
    "primary",
    "Id",
    "output1",
    "output2",
    "storageAccount",
    "name",
    "readOnly",
    "PreventUpdate",
    "MaxConcurrentCalls",
    "asset3",
)
_TEXTS: Final = (
    "",
    " ",
    "Finished",
    "Running",
    "4",
    "Succeeded",
    "Failed",
    "Resource",
    "Sample [trained model]",
    "models/x.ilearner",
    "../../x.ilearner",
    "https://169.254.169.254/latest",
    "http://studio.example/",
    "https://[::1",
    "https://a:b@studio.example/x/swagger.json",
    "//x",
    "\ud800",
    "\x00\x1f\r\nX-Forged: 1",
    "é\u202eltr\u2028line",
    "9" * 5000,
    "x" * 70_000,
    "?sv=1&sig=SECRET",
    "ModuleExecutionFailed",
    "CannotStartJob",
    "Bearer abcdefgh",
)
_SCALARS: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    4,
    1e308,
    10**300,
    float("nan"),
    float("inf"),
    [],
    {},
)
_STATUSES: Final = (100, 200, 200, 200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403)
_MORE_STATUSES: Final = (404, 404, 405, 408, 409, 412, 413, 429, 440, 500, 501, 502, 503, 504, 599)
_WAITS: Final = (
    "40",
    "0",
    "-1",
    "9" * 4000,
    "١٢",
    "soon",
    "",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    "Wed, 21 Oct 9999 23:59:59 -2359",
    "Wed, 21 Oct 0001 00:00:00 +2359",
    "Mon, 99 Foo 2026 99:99:99 +99999999999999999999",
)


@dataclass
class _Found:
    """What came out of the trials of one promise."""

    trials: int = 0
    violations: list[Violation] = field(default_factory=list)


class _Book:
    """The violations of every promise, each with the plan of its trial."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}
        self._plan = ""

    @contextmanager
    def trial(self, promise: str, plan: str, *more: str) -> Iterator[None]:
        """Count a trial; whatever gets out of it is a violation."""
        self._plan = plan
        for one in (promise, *more):
            self._found.setdefault(one, _Found()).trials += 1
        try:
            yield
        except Exception as exc:  # noqa: BLE001 -- this is what is looked for
            self.broken(promise, f"{type(exc).__name__}: {exc}"[:300])

    def broken(self, promise: str, what: str) -> None:
        """Keep a violation of the present trial."""
        known = self._found.setdefault(promise, _Found())
        known.violations.append(Violation(self._plan, what.encode("ascii", "replace").decode()))

    def outcomes(self) -> list[Outcome]:
        """Return every promise."""
        return [
            Outcome(promise, found.trials, tuple(found.violations))
            for promise, found in self._found.items()
        ]


def part(effort: Effort) -> list[Outcome]:
    """Try `effort.size` odd things of each kind, whole worlds for one in ten, and every URL."""
    book = _Book()
    with Heard() as heard, tempfile.TemporaryDirectory() as folder:
        for trial in range(effort.size):
            for kind, promise, act in (
                ("answer", ODD_ANSWERS, _answers),
                ("evaluation", ODD_EVALUATIONS, _evaluation),
                ("file", ODD_FILES, _Files(Path(folder)).odd),
                *((("name", ODD_NAMES, _name),) if trial % 5 == 0 else ()),
                *((("world", ODD_ANSWERS, _world),) if trial % 10 == 0 else ()),
            ):
                chance = random.Random(f"{effort.seed}/{kind}/{trial}")  # noqa: S311 -- no secret
                heard.records.clear()
                plan = f"hostile {kind}: seed {effort.seed}, trial {trial}"
                with book.trial(promise, plan, NO_SECRETS):
                    act(chance, book, heard)
            effort.progress()
        _urls(book, Path(folder))
        effort.progress()
        _redirects(book)
        effort.progress()
    return book.outcomes()


def _leaks(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that are in a text, as they are, in JSON, or in a URL."""
    found = []
    for name, secret in secrets.items():
        forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}
        if any(form in text for form in forms):
            found.append(name)
    return found


# Answers


@dataclass
class _Hostile:
    """An `Http` that answers anything."""

    chance: random.Random
    secrets: tuple[str, ...] = ()  #: what the last call sent

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Answer anything; a service can repeat what it was sent, and nothing else."""
        del method, url
        sent = json.dumps(dict(headers)) + (body or b"").decode()
        self.secrets = tuple(one for one in _SECRETS.values() if _leaks(sent, {"": one}))
        return _answer(self.chance, self.secrets)


def _answer(chance: random.Random, secrets: tuple[str, ...]) -> Answer:
    status = chance.choice(_STATUSES + _MORE_STATUSES)
    headers = {
        chance.choice(("Retry-After", "retry-after")): chance.choice(_WAITS),
        "Azure-AsyncOperation": chance.choice(
            (
                "https://169.254.169.254/op",
                "https://[::1/",
                "http://x/",
                "",
                f"https://management.azure.com/o?{chance.choice((*secrets, ''))}",
            )
        ),
        "Location": "https://elsewhere.example/",
    }
    return Answer(status, headers, _body(chance, secrets))


def _body(chance: random.Random, secrets: tuple[str, ...]) -> bytes:
    form = chance.randrange(8)
    if form == 0:
        return chance.randbytes(chance.choice((0, 1, 7, 500)))
    if form == 1:
        return chance.choice((b"[", b'{"a":')) * chance.choice((50, 100_000))
    if form == 2:  # noqa: PLR2004 -- one of the forms
        return f"<html>{chance.choice(_TEXTS)} {' '.join(secrets)}</html>".encode(
            "utf-8", "replace"
        )
    if form == 3:  # noqa: PLR2004 -- one of the forms
        return json.dumps(_odd(chance, secrets, 4)).encode()
    tree = _changed(json.loads(json.dumps(chance.choice(_valid()))), chance, secrets)
    text = json.dumps(tree).encode()
    return text[: chance.randrange(len(text) + 1)] if chance.random() < 0.1 else text  # noqa: PLR2004 -- torn


def _odd(chance: random.Random, secrets: tuple[str, ...], depth: int) -> Any:
    form = chance.randrange(4) if depth else 0
    if form == 1:
        return [_odd(chance, secrets, depth - 1) for _ in range(chance.randrange(4))]
    if form >= 2:  # noqa: PLR2004 -- objects are what services answer mostly
        names = chance.sample(_WORDS, chance.randrange(6))
        return {name: _odd(chance, secrets, depth - 1) for name in names}
    return chance.choice((*_SCALARS, *_TEXTS, *secrets))


def _changed(tree: Any, chance: random.Random, secrets: tuple[str, ...]) -> Any:
    """Return the tree with one to three of its nodes replaced, in a random depth."""
    for _ in range(chance.randint(1, 3)):
        node: Any = tree
        path: list[tuple[Any, Any]] = []
        while isinstance(node, dict | list) and node and (not path or chance.random() < 0.8):  # noqa: PLR2004 -- deeper
            key = chance.choice(list(node) if isinstance(node, dict) else list(range(len(node))))
            path.append((node, key))
            node = node[key]
        if not path:
            return _odd(chance, secrets, 2)
        holder, key = path[-1]
        holder[key] = _odd(chance, secrets, 2)
    return tree


def _valid() -> list[Any]:
    place = {"BaseLocation": "https://a.blob.core.windows.net/", "SasBlobToken": "?sig=SECRET"}
    asset = {
        "name": "Sample [trained model]",
        "type": "Resource",
        "locationInfo": {"uri": "https://account.blob.core.windows.net/models/x.ilearner"},
    }
    return [
        {
            "StatusCode": "Finished",
            "Results": {"output1": {**place, "RelativeLocation": "models/x.ilearner"}},
            "Details": "none",
        },
        {"StatusCode": 4, "Results": None, "Details": None},
        {"error": {"code": "X", "message": "m", "details": [{"code": "Y", "message": "n"}]}},
        {
            "Name": "production",
            "ApiLocation": _BASE + "/services/e1",
            "PrimaryKey": "told",
            "Resources": [{"Name": "Sample [trained model]", "Location": place}],
        },
        {
            "properties": {
                "assets": {"asset3": asset},
                "provisioningState": "Succeeded",
                "swaggerLocation": _BASE + "/services/e1/swagger.json",
                "storageAccount": {"name": "account"},
            }
        },
        {
            "Results": {
                "output1": {
                    "type": "table",
                    "value": {"ColumnNames": ["Scored Labels"], "Values": [["1"], ["0"]]},
                }
            }
        },
        {"primary": "told", "secondary": "told"},
        _JOB,
        [{"Name": "production"}],
    ]


def _pipeline(kind: str) -> Pipeline:
    tree: dict[str, Any] = {
        "name": "sample",
        "data": {"blob": "{name}.csv"},
        "training": {
            "service": f"{_BASE}/services/e1/jobs",
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner"},
            "parameters": {"Password": "${PARAMETER}"},
        },
        "endpoints": [
            {
                "name": "production",
                "kind": kind,
                "resource": "Sample [trained model]",
                "update": _ARM
                if kind == "webservice"
                else _BASE + "/webservices/s1/endpoints/production",
                **({} if kind == "webservice" else {"workspace_token": "${ENDPOINT_KEY}"}),
                **({} if kind == "webservice" else {"create": True}),
                "verify": {"rows": ROWS},
            }
        ],
    }
    return Pipeline.model_validate(tree, context={"development": False})


def _answers(chance: random.Random, book: _Book, heard: Heard) -> None:
    """Call every method of the clients of one pipeline over hostile answers."""
    config = _pipeline(chance.choice(("classic", "webservice")))
    blobs = FakeBlobs(FakeClock())
    model = blobs.put(MODELS, "runs/x.ilearner", b"x")
    token = ArmToken(FixedCredential(_SECRETS["ARM_TOKEN"]))
    http = _Hostile(chance)
    adapters = StudioAdapters(http, _SECRETS, blobs, blobs, MODELS, token=token)
    training = config.training
    request = JobRequest("sample-1", 1, {}, {}, {"Password": "${PARAMETER}"}, training)
    jobs = adapters.jobs(training.service, training.api_key)
    endpoint = config.endpoint
    calls: list[Callable[[], object]] = [
        lambda: jobs.prepare(request),
        lambda: jobs.ensure_started(_JOB, request),
        lambda: jobs.state(_JOB),
        lambda: jobs.cancel(_JOB),
    ]
    if endpoint is not None:
        calls += _calls(adapters.endpoint(endpoint), model)
    for call in calls:
        try:
            call()
        except RelearnError as exc:
            sent = {name: one for name, one in _SECRETS.items() if one in http.secrets}
            if leaked := _leaks(str(exc), sent):
                book.broken(NO_SECRETS, f"{leaked} in {type(exc).__name__}: {str(exc)[:200]}")
    _scan(heard, "", _SECRETS, book)


def _calls(serving: ServingEndpoint, model: BlobVersion) -> list[Callable[[], object]]:
    return [
        serving.ensure,
        serving.current,
        lambda: serving.update(model),
        serving.look,
        lambda: serving.look("https://management.azure.com/operations/1"),
        lambda: serving.restore(WayBack()),
    ]


def _scan(heard: Heard, records: str, secrets: Mapping[str, str], book: _Book) -> None:
    text = heard.text() + "\n" + records
    if leaked := _leaks(text, secrets):
        book.broken(NO_SECRETS, f"{leaked} in a log line or record")


def _world(chance: random.Random, book: _Book, heard: Heard) -> None:
    """Bring a run through a world whose service says odd things, its secrets among them."""
    world = Observed()
    secrets = world.environment
    share = chance.choice((0.1, 0.5, 1.0))

    def odd(method: str, path: str) -> Answer | None:
        del method, path
        return _answer(chance, tuple(secrets.values())) if chance.random() < share else None

    world.http.answers.append(odd)
    world.upload()
    _purposely(world.deliver)
    for _ in range(30):
        _purposely(world.tick)
    world.http.answers.clear()
    for _ in range(30):
        _purposely(lambda: world.tick(300))
    for _ in range(12):  # it may have been asked to wait for a day
        _purposely(lambda: world.tick(3 * 3600))
    for record in heard.records:
        if record.exc_info and record.exc_info[1] is not None:
            book.broken(ODD_ANSWERS, f"{record.getMessage()}: {record.exc_info[1]!r}"[:300])
            break
    for run in world.runs():
        if not run.phase.ended and run.phase is not Phase.PARKED:
            why = run.reason or run.trouble
            book.broken(ODD_ANSWERS, f"afterwards the run is left {run.phase}: {why}"[:300])
    _scan(heard, world.said(), secrets, book)


def _purposely(do: Callable[[], object]) -> None:
    try:
        do()
    except RelearnError:
        return


# Evaluations


def _evaluation(chance: random.Random, book: _Book, heard: Heard) -> None:
    """Read an odd evaluation, choose a row of it, and a metric of that."""
    del book, heard
    name = chance.choice(("e.csv", "e.json", "e.tsv", "e", "E.JSON"))
    try:
        rows = read_evaluation(_content(chance), name)
        wanted = {chance.choice(("number", "a", "AUC", "")): chance.choice((1, 0, "x", "inf"))}
        row = choose_row(rows, chance.choice(({}, wanted)))
        metric_in(row, chance.choice(("AUC", "a", "", "_")))
    except ValueError:
        return


def _content(chance: random.Random) -> bytes:
    form = chance.randrange(6)
    if form == 0:
        return chance.randbytes(chance.choice((0, 1, 10, 300)))
    if form == 1:
        return json.dumps(_odd(chance, ("s",), 4)).encode()
    if form == 2:  # noqa: PLR2004 -- one of the forms
        return chance.choice((b"[", b'{"a":', b'{"metrics":')) * chance.choice((10, 100_000))
    pieces = (
        *("AUC", "Accuracy", "a", "0.9", "-1e999", "1" * 500, "Infinity", "NaN", "∞", '"', '""'),
        *(",", ",", "\t", "\n", "\n", "\r", "\r\n", "\x00", "\u2028", "\ufeff", "é", "x" * 140_000),
        *("{", "}", "[", "]", ":", '"metrics"', "\\ud800", "1e400"),
    )
    text = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 30)))
    if form == 3:  # noqa: PLR2004 -- one of the forms
        text = f"AUC,Name\n0.9,x\n{text}"
    return text.encode(chance.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")))


# Files


class _Files:
    """Odd pipelines files, in a folder with a probe beside them."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pipelines.yaml"
        (folder / "probe.example.json").write_text(json.dumps(ROWS), encoding="utf-8")

    def odd(self, chance: random.Random, book: _Book, heard: Heard) -> None:
        """Load one odd file, and see what is said of it."""
        del heard
        self._file.write_bytes(_file(chance))
        environment = _environment()
        loaded = load_pipelines(self._file, environment, development=chance.random() < 0.2)  # noqa: PLR2004 -- sometimes
        text = "\n".join(map(str, loaded.problems))
        text += "".join(one.model_dump_json() for one in loaded.pipelines.values())
        pasted = loaded.pipelines and _leaks(text, environment)
        if _leaks("\n".join(map(str, loaded.problems)), environment) or pasted:
            book.broken(ODD_FILES, f"shows {_leaks(text, environment)}: {text[:200]}")
        if not loaded.problems and not loaded.pipelines:
            book.broken(ODD_FILES, "neither pipelines nor problems")


def _environment() -> dict[str, str]:
    return {
        "CENSUS_TRAINING_KEY": _SECRETS["TRAINING_KEY"],
        "CENSUS_ENDPOINT_KEY": _SECRETS["ENDPOINT_KEY"],
        "OTHER": _SECRETS["PARAMETER"],
    }


def _file(chance: random.Random) -> bytes:
    if chance.random() < 0.1:  # noqa: PLR2004 -- mostly it is nearly right
        return chance.randbytes(chance.choice((0, 3, 400)))
    if chance.random() < 0.3:  # noqa: PLR2004 -- as above
        return _odd_tree(chance)
    lines = (_ROOT / "pipelines.example.yaml").read_text(encoding="utf-8").splitlines()
    tokens = (
        *(
            "&a",
            "*a",
            "!!python/object:os.system x",
            "!!binary x",
            "<<: *a",
            "? [a]: b",
            "? {a: b}",
        ),
        *("${CENSUS_TRAINING_KEY}", "${OTHER}", "${", "$$", "${NOPE}", "null", "~", "[]", "{}"),
        *("9" * 5000, "0x_", ".nan", "1e999", "2026-02-30", "2026-99-99", "-", "|", ">", "%", "@"),
        *("\t", "\x00", "\x85", "\u2028", "\ufeff", "é", "'", '"', "...", "---", "rows: ../../etc"),
        *("rows: .", "rows: \x7f", "{a}/{a}.csv", "{name", "0 0 31 2 *", "1h1", "-5m", "1e9h"),
        "[" * 3000,
    )
    if chance.random() < 0.2:  # noqa: PLR2004 -- a person pastes the key itself
        pasted = json.dumps(_SECRETS["ENDPOINT_KEY"])
        lines = [line.replace("${CENSUS_ENDPOINT_KEY}", pasted) for line in lines]
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line, token = lines[at], chance.choice(tokens)
        what = chance.randrange(6)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif what == 2:  # noqa: PLR2004 -- one of the ways
            lines[at] = f"{line.partition(':')[0]}: {token}"
        elif what == 3:  # noqa: PLR2004 -- one of the ways
            cut = chance.randrange(len(line) + 1)
            lines[at] = line[:cut] + token + line[cut:]
        elif what == 4:  # noqa: PLR2004 -- one of the ways
            lines[at] = line.replace(" ", "", chance.randint(1, 4))
        else:
            lines[at] = line[: chance.randrange(len(line) + 1)]
        lines = lines or [""]
    return "\n".join(lines).encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-16")), "replace")


@cache
def _example_text() -> str:
    text = (_ROOT / "pipelines.example.yaml").read_text(encoding="utf-8")
    return json.dumps(yaml.safe_load(text))


def _example() -> dict[str, Any]:
    """Return the example of a pipelines file, to be changed."""
    tree: dict[str, Any] = json.loads(_example_text())
    return tree


def _odd_tree(chance: random.Random) -> bytes:
    """Return the example with some of its nodes replaced by others, as valid YAML."""
    tree = _example()
    secrets = tuple(_environment().values())
    for _ in range(chance.randint(1, 3)):
        node: Any = tree
        path: list[tuple[Any, Any]] = []
        while isinstance(node, dict | list) and node and (not path or chance.random() < 0.9):  # noqa: PLR2004 -- deeper
            key = chance.choice(list(node) if isinstance(node, dict) else list(range(len(node))))
            path.append((node, key))
            node = node[key]
        if not path:
            break
        holder, key = path[-1]
        form = chance.randrange(3)
        if form == 0 and isinstance(holder, dict):
            holder[chance.choice(("x", 1, None, True, 1.5, "é\n", "name"))] = node
        elif key == "api_key":  # a person pastes the key itself
            holder[key] = chance.choice(secrets)
        else:
            holder[key] = json.loads(json.dumps(_odd(chance, (), 2)))
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")


# Names

_PIECES: Final = (
    *("..", "../", "/../", "%2e%2e", "%2e%2e%2f", "..%5c", "\\..\\", ".", "/", "//", "~", "%00"),
    *("\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\x1b[31m"),
    *("#", "?", "?comp=list", "&restype=container", "'", '"', "`", "$logs", "$root", "$web"),
    *("\u202e", "\u200f", "\ufeff", "é", "漢", "😀", "a", "b", "new", "A" * 400, "a/" * 120),
    *("${TRAINING_KEY}", "$${x}", "{name}", "{", "}", "%s", "%(x)s", "{0}", "<script>", ";", "|"),
    *("\n[RL1001 parked] run x", "\nERROR forged line", "ledger/", "runs/", "open/", "promote/"),
)


def _name(chance: random.Random, book: _Book, heard: Heard) -> None:
    """Have a blob land whose name is built to escape, and bring its run to its end."""
    mode = chance.choice(
        (
            {"when_busy": "parallel"},
            {"when_busy": "newest"},
            {"when_busy": "queue"},
            {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "1m"}},
        )
    )
    by_customer = chance.random() < 0.5  # noqa: PLR2004 -- a token of the name in a URL, or not
    change: dict[str, Any] = {"pipeline": dict(mode)}
    if by_customer:
        settle = {"settle": "1m"} if "data" in mode else {}
        change["pipeline"]["data"] = {"blob": "{customer}/{name}.csv", **settle}
    world = Observed(config=change)
    if by_customer and world.pipeline.endpoint is not None:
        update = world.pipeline.endpoint.update.rpartition("/")[0] + "/{customer}"
        token = {"update": update, "workspace_token": "${ENDPOINT_KEY}", "api_key": None}
        world.correct(**token)
    name = "".join(chance.choice(_PIECES) for _ in range(chance.randint(1, 4)))[:1000]
    stem = f"{name}/x" if by_customer and chance.random() < 0.7 else name  # noqa: PLR2004 -- mostly
    name = stem + chance.choice((".csv", ".csv", ".csv", "", ".ilearner"))
    _purposely(lambda: world.deliver(name))  # before it is there
    world.upload(name)
    for _ in range(chance.randint(1, 2)):
        _purposely(lambda: world.deliver(name))
        _purposely(lambda: world.intake.model_landed(name))
    for _ in range(8):
        _purposely(world.tick)
    for wrong in _escaped(world):
        book.broken(ODD_NAMES, f"{name[:60]!r}: {wrong}"[:300])
    for record in heard.records:
        if len(record.getMessage().splitlines()) > 1:
            book.broken(ODD_NAMES, f"{name[:60]!r} breaks a line: {record.msg!r}"[:300])
            break
        if record.exc_info:
            book.broken(ODD_NAMES, f"{name[:60]!r}: {record.exc_info[1]!r}"[:300])
            break
    _scan(heard, world.said(), world.environment, book)


def _escaped(world: Observed) -> Iterator[str]:
    for document in world.documents.rows:
        if "/" in document and document.partition("/")[0] not in _FOLDERS:
            yield f"document {document!r} lies outside the known folders"
        elif not _SAFE.fullmatch(document):
            yield f"document {document!r} has an odd name"
    for url in world.blobs.store.contents:
        path = unquote(urlsplit(url).path) if "?" not in url else url
        if f"/{MODELS}/" in path and not path.partition(f"/{MODELS}/")[2].startswith("runs/"):
            yield f"a model was written to {url[:100]!r}"
    service = urlsplit(world.pipeline.training.service)
    for sent in world.http.sent:
        url = sent.partition(" ")[2]
        parts = urlsplit(url)
        if parts.netloc != service.netloc or ".." in unquote(parts.path).split("/"):
            yield f"{sent[:120]!r} was sent"
    for run in world.runs():
        if not run.phase.ended and run.phase is not Phase.PARKED and run.trouble is not None:
            yield f"the run is left {run.phase}: {run.trouble.reason}"


# URLs


def _urls(book: _Book, folder: Path) -> None:
    """Write each forbidden URL into a file and into what a service answers; allowed ones too."""
    bad = [f"https://{host}" for host in _FORBIDDEN]
    bad += ["http://studio.example", "http://10.0.0.5", "ftp://studio.example", "file:///etc"]
    bad += ["https://me:pass@studio.example", "https://key@studio.example"]
    for base in (*bad, *(f"https://{host}" for host in _ALLOWED)):
        fine = base not in bad
        for place in ("service", "update", "score"):
            with book.trial(URLS, f"hostile URL: {base} as {place} in pipelines.yaml"):
                refused = bool(_loaded(folder, place, base))
                if refused == fine:
                    book.broken(URLS, "is refused" if refused else "is taken")
        with book.trial(URLS, f"hostile URL: {base} as ApiLocation"):
            called = _scored_at({"ApiLocation": f"{base}/workspaces/w1/services/e1"}, "classic")
            if called != fine:
                book.broken(URLS, "is called" if called else "is not called")
        with book.trial(URLS, f"hostile URL: {base} as swaggerLocation"):
            swagger = f"{base}/workspaces/w1/services/e1/swagger.json"
            called = _scored_at({"properties": {"swaggerLocation": swagger}}, "webservice")
            if called != fine:
                book.broken(URLS, "is called" if called else "is not called")
        with book.trial(URLS, f"hostile URL: {base} as BaseLocation of a result"):
            place_ = {"BaseLocation": f"{base}/", "RelativeLocation": "c/x.ilearner"}
            if bool(read_results({"output1": place_})) != fine:
                book.broken(URLS, "is refused" if fine else "is taken for a place of a model")
        with book.trial(URLS, f"hostile URL: {base} as Azure-AsyncOperation"):
            if _followed(f"{base}/operations/1"):
                book.broken(URLS, "is followed with the token")


def _loaded(folder: Path, place: str, base: str) -> tuple[object, ...]:
    tree = _example()
    census = tree["pipelines"]["census"]
    census.pop("gate")  # of no use here
    endpoint = census["endpoints"][0]
    holder, key = {
        "service": (census["training"], "service"),
        "update": (endpoint, "update"),
        "score": (endpoint["verify"], "score"),
    }[place]
    url = urlsplit(holder[key])
    holder[key] = f"{base}{url.path}" + (f"?{url.query}" if url.query else "")
    (folder / "probe.example.json").write_text(json.dumps(ROWS), encoding="utf-8")
    file = folder / "urls.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_pipelines(file, _environment(), development=False).problems


@dataclass
class _Telling:
    """An `Http` that tells the same of everything, and keeps where it was called."""

    told: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Answer what is told."""
        del headers, body
        self.sent.append(f"{method} {url}")
        return Answer(200, self.headers, json.dumps(self.told).encode())


def _adapters(http: _Telling) -> StudioAdapters:
    blobs = FakeBlobs(FakeClock())
    token = ArmToken(FixedCredential(_SECRETS["ARM_TOKEN"]))
    return StudioAdapters(http, _SECRETS, blobs, blobs, MODELS, token=token)


def _scored_at(told: dict[str, Any], kind: str) -> bool:
    """Whether the clients score where the service says that it is."""
    uri = "https://account.blob.core.windows.net/models/x.ilearner"
    model = {"name": "Sample [trained model]", "type": "Resource", "locationInfo": {"uri": uri}}
    assets = {"assets": {"asset3": model}}
    tree = {**told, "Name": "production", "PrimaryKey": "told", "primary": "told"}
    tree["properties"] = {**assets, **told.get("properties", {})}
    http = _Telling(tree)
    endpoint = _pipeline(kind).endpoint
    if endpoint is None:
        return False
    _purposely(_adapters(http).endpoint(endpoint).look)
    return any("/execute" in sent for sent in http.sent)


def _followed(url: str) -> bool:
    """Whether an operation at this URL is looked at."""
    uri = "https://account.blob.core.windows.net/models/x.ilearner"
    model = {"name": "Sample [trained model]", "type": "Resource", "locationInfo": {"uri": uri}}
    http = _Telling({"properties": {"assets": {"asset3": model}}}, {"Azure-AsyncOperation": url})
    endpoint = _pipeline("webservice").endpoint
    if endpoint is None:
        return False
    serving = _adapters(http).endpoint(endpoint)
    blob = BlobVersion(
        container=MODELS, name="x.ilearner", etag="1", size=1, created=START, modified=START
    )
    operation = serving.update(blob)
    _purposely(lambda: serving.look(operation))
    return any("/operations/1" in sent for sent in http.sent)


# Redirects


class _Server(ThreadingHTTPServer):
    """A loopback server that keeps what it is sent, and answers one status and place."""

    daemon_threads = True

    def __init__(self, status: int, location: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.location = status, location
        self.got: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def _any(self) -> None:
        server = self.server
        if isinstance(server, _Server):
            server.got.append(f"{self.command} {self.path} {dict(self.headers)}")
            self.send_response(server.status)
            self.send_header("Location", server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 -- the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Stay silent."""


def _redirects(book: _Book) -> None:
    """Answer every call of a real client by a redirect to another port, which must stay quiet."""
    other = _Server(200, "")
    try:
        for status in (301, 302, 303, 307, 308):
            first = _Server(status, f"{other.url}/taken")
            try:
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                    with book.trial(REDIRECTS, f"hostile redirect: {status} to a {method}"):
                        _redirected(first, other, method, book)
            finally:
                first.close()
    finally:
        other.close()


def _redirected(first: _Server, other: _Server, method: str, book: _Book) -> None:
    http = RequestsHttp()
    try:
        key = {"Authorization": f"Bearer {_SECRETS['ARM_TOKEN']}"}
        body = None if method in ("GET", "DELETE") else b"{}"
        answer = http.send(method, f"{first.url}/x", key, body)
    finally:
        http.close()
    if other.got:
        book.broken(REDIRECTS, f"the other host got {other.got[0][:100]}")
        other.got.clear()
    if answer.status != first.status or not first.got:
        book.broken(REDIRECTS, f"the answer is {answer.status}")
