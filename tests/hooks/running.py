"""Runs the hooks against the stand-in, and checks that no secret was printed."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, Final

import after_steps
import before_steps
from app_functions import expected_functions
from console import Clock, Console
from environment import ROOT
from local.handler import WireHandler
from local.listener import LoopbackServer
from local.studio.wire import WireAnswer, WireRequest
from tests.hooks.azure import ACCOUNT, DATA_ACCOUNT, SECRETS, SITE, TOKENS, TOPIC, Azure

FUNCTIONS: Final = dict.fromkeys(expected_functions(ROOT), False)


@dataclass
class Ran:
    """What a hook did."""

    code: int
    said: str
    waits: list[float]


@dataclass
class FakeAzd:
    """Gives tokens, and the values of its environment."""

    values: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[str]] = field(
        default_factory=lambda: {scope: [token] for scope, token in TOKENS.items()}
    )
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, arguments: Sequence[str]) -> str:
        self.asked.append(tuple(arguments))
        if arguments[:2] == ["env", "get-values"]:
            return json.dumps(self.values)
        scope = arguments[arguments.index("--scope") + 1] if "--scope" in arguments else ""
        kept = self.tokens[scope]
        token = kept.pop(0) if len(kept) > 1 else kept[0]
        return json.dumps({"token": token, "expiresOn": "2031-05-06T08:08:09Z"})


@dataclass
class Site:
    """The stand-in as it is reached, and a hook's surroundings."""

    azure: Azure
    variables: dict[str, str]
    azd: FakeAzd = field(default_factory=FakeAzd)
    sleeping: Callable[[float], None] | None = None

    def after(self, *arguments: str) -> Ran:
        return self._run(after_steps.main, list(arguments))

    def before(self) -> Ran:
        return self._run(before_steps.main, [])

    def _run(self, hook: Callable[..., int], arguments: list[str]) -> Ran:
        out, waits = io.StringIO(), list[float]()

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            self.azure.seconds += seconds
            if self.sleeping is not None:
                self.sleeping(seconds)

        console = Console(out, Clock(lambda: self.azure.seconds, sleep))
        code = hook(arguments, self.variables, console, self.azd)
        said = out.getvalue()
        for secret in SECRETS:
            assert secret not in said, said
        assert "code=" not in said.replace("code=***", ""), said
        return Ran(code, said, waits)


@contextmanager
def served(azure: Azure, **more: str) -> Iterator[Site]:
    """Serve the stand-in; `more` are further variables, or others."""

    class Handler(WireHandler):
        def do_GET(self) -> None:  # noqa: N802 - http.server's name
            request = self.read_request()
            assert request is not None
            answer = azure.answer(request)
            if answer is None:
                self.close_connection = True
            else:
                self.send_answer(answer)

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def date_time_string(self, timestamp: float | None = None) -> str:
            del timestamp
            return format_datetime(azure.now(), usegmt=True)

    with LoopbackServer(0, Handler, "azure") as server:
        host = server.url.removeprefix("http://")
        azure.host = host
        azure.by_queue = more.get("EVENT_DELIVERY", "queue") == "queue"
        variables = {
            "AZURE_RESOURCE_MANAGER_URL": server.url,
            "FUNCTION_APP_ID": SITE,
            "FUNCTION_APP_HOST": host,
            "APP_PRINCIPAL_ID": "11111111-2222-3333-4444-555555555555",
            "EVENT_DELIVERY": "queue",
            "DATA_BLOB_ENDPOINT": f"{server.url}/",
            "TRAINING_DATA_CONTAINER": "training-data",
            "MODELS_CONTAINER": "models",
            "DATA_TOPIC_ID": TOPIC,
            "MODELS_TOPIC_ID": TOPIC,
            "DEAD_LETTER_ACCOUNT_ID": ACCOUNT,
            "DEAD_LETTER_CONTAINER": "relearn-dead-letters",
            "EVENT_SUBSCRIPTION_PREFIX": "relearn-",
            "ROLE_SCOPES": f"{ACCOUNT} {DATA_ACCOUNT}",
        }
        yield Site(azure, variables | more)


def working(**changed: Any) -> Azure:
    """Return a stand-in for an app that works, which a test can change."""
    return Azure(**{"functions": dict(FUNCTIONS), **changed})


def refused(azure: Azure, status: int, code: str, **headers: str) -> Callable[..., WireAnswer]:
    """Return a fault that refuses with everything secret in its words."""

    def fault(request: WireRequest) -> WireAnswer:
        answer = azure.refusal(request, status, code)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return WireAnswer(answer.status, {**answer.headers, **named}, answer.body)

    return fault


def dropped(request: WireRequest) -> None:
    """Close the connection without an answer."""
    del request
