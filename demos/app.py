"""What the demos share: which model, how the page is served, how a text is refused."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import kbert
from kbert.errors import how_to_install
from kbert.models.base import KbertModel
from kbert.runs.console import console

# Gradio reads the first while it is imported; its run history would keep what a visitor types.
os.environ["GRADIO_ANALYTICS_ENABLED"] = os.environ["GRADIO_RUN_HISTORY"] = "False"
try:
    import gradio as gr
except ModuleNotFoundError as error:
    if error.name != "gradio":  # Gradio is there, and something that it needs is not
        raise
    sys.exit(f"error: the demos need Gradio: {how_to_install('demo')}")
from starlette.middleware import Middleware  # comes with Gradio

MAX_CHARACTERS = 1000
OUR_HOSTS = ("127.0.0.1", "localhost")
# What a screen reader is told; Gradio has no words for it, and would show the key.
DONE = {"common.complete": "답이 나왔습니다."}
FONT = ("system-ui", "sans-serif")
NOTE = (
    "빠른 시작(quickstart)으로 만든 모델은 대한민국헌법과 법률안 30,688자만 읽었습니다. "
    "그 밖의 한국어는 알지 못하니, 법조문과 비슷한 문장으로 시험해 보세요."
)


def main(description: str, build: Callable[[KbertModel], gr.Blocks]) -> None:
    """Runs a demo from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--model", help="as kbert.load takes it; default: the newest runs/quickstart*"
    )
    parser.add_argument("--port", type=int, help="default: Gradio takes one that is free")
    arguments = parser.parse_args()
    try:
        path = find_model(arguments.model)
        app = build(kbert.load(path))
        console().print(f"The model is {path}.")
        launch(app, arguments.port)
    except kbert.KbertError as error:
        sys.exit(f"error: {error}")


def find_model(path: str | None = None) -> str | Path:
    """The path itself or, without one, the quickstart model that was trained last."""
    if path is not None:
        return path
    models = sorted(Path().glob("runs/quickstart*/model.keras"), key=lambda m: m.stat().st_mtime)
    if not models:
        raise kbert.KbertError(
            "there is no runs/quickstart*/model.keras here: run `make quickstart` or "
            "`python recipes/pretrain_ko.py`, or pass --model PATH"
        )
    return models[-1]


class OurPageOnly:
    """Answers requests that a page of this server makes to this machine, and no others.

    Another site can give its own name this machine's address (DNS rebinding); the browser then
    takes our page for that site's. But the request names the host that the browser asked for.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Hands a request on, or refuses it."""
        if scope["type"] in ("http", "websocket") and not _is_ours(scope["headers"]):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"not this page's own request"})
            return
        await self.app(scope, receive, send)


def _is_ours(headers: list[tuple[bytes, bytes]]) -> bool:
    given = [(name.lower(), value.decode("latin-1")) for name, value in headers]
    hosts = [value for name, value in given if name == b"host"]
    origins = [value for name, value in given if name == b"origin"]
    if len(hosts) != 1 or _host_name(f"//{hosts[0]}") not in OUR_HOSTS:
        return False
    return all(origin == f"http://{hosts[0]}" for origin in origins)


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def launch(app: gr.Blocks, port: int | None = None, wait: bool = True) -> str:
    """Serves the page to this machine alone, and returns its address.

    Gradio's doors that a demo has no use for stay shut: no public link, no files, no answers to
    other sites' pages or under other names, no statistics, no tracebacks shown, no endless queue.
    """
    app.queue(max_size=32, default_concurrency_limit=1)
    try:
        _, address, _ = app.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            max_file_size="1mb",
            allowed_paths=[],
            strict_cors=True,
            app_kwargs={"middleware": [Middleware(OurPageOnly)]},
            ssr_mode=False,
            i18n=gr.I18n(ko=DONE, en=DONE),
            show_error=False,
            enable_monitoring=False,
            mcp_server=False,
            prevent_thread_lock=not wait,
            theme=gr.themes.Default(font=FONT, font_mono=FONT),  # monospaced Hangul has gaps
        )
    except (OSError, OverflowError):
        raise kbert.KbertError(
            f"the page cannot be served on port {port or 'any of Gradio, 7860 to 7959'}: it is "
            "taken, or is no port; pass another with --port"
        ) from None
    return address


def textbox(label: str, value: str) -> gr.Textbox:
    return gr.Textbox(value, label=label, lines=2, max_length=MAX_CHARACTERS)


def read(text: str | None) -> str:
    """What came from a text box; its `max_length` binds the browser, not who calls the API."""
    if text and len(text) > MAX_CHARACTERS:
        refuse(f"글이 {len(text):,}자로 너무 깁니다. {MAX_CHARACTERS:,}자 이하로 줄여 주세요.")
    return text or ""


def refuse(message: str) -> NoReturn:
    """Shows a message in the page's corner. It is rendered as HTML, so it quotes no user's text."""
    raise gr.Error(message, title="알림", print_exception=False)
