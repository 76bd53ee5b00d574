"""What the demos share: the command line, the page and how it is served, how a text is refused."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from models import Models, load_models
from texts import LANGUAGES, Language, say

import kbert
from kbert.errors import how_to_install
from kbert.runs.console import console

# Gradio reads the first while it is imported; its run history would keep what a visitor types.
os.environ["GRADIO_ANALYTICS_ENABLED"] = os.environ["GRADIO_RUN_HISTORY"] = "False"
# Or it makes statistics of all requests so far after each of them.
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
try:
    import gradio as gr
except ModuleNotFoundError as error:
    if error.name != "gradio":  # Gradio is there, and something that it needs is not
        raise
    sys.exit(f"error: the demos need Gradio: {how_to_install('demo')}")
from drawing import note
from gate import PAGES, Gate
from starlette.middleware import Middleware  # comes with Gradio

FOLDER = Path(__file__).parent
MOST_CHARACTERS = 1000
MOST_IN_A_BOX = 30_000  # more than any tab takes: a long text is refused in words, not cut unsaid
MOST_WAITING = 128  # requests: at a few milliseconds each, nobody waits for long
MOST_SESSIONS = 32  # whose boxes Gradio keeps in memory, half a megabyte each; nothing reads them
FONT = (
    "Pretendard", "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic",
    "system-ui", "sans-serif",
)  # fmt: skip
Build = Callable[[Models, Language], None]
Tabs = Sequence[tuple[str, Build]]


def main(description: str, tabs: Tabs) -> None:
    """Runs a demo from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        help="as kbert.load takes it; several of them where each can do something else. Default: "
        "the model that comes with kbert, or else the newest runs/quickstart*",
    )
    parser.add_argument("--vocabulary", help="a second, as Tokenizer.from_file takes it")
    parser.add_argument("--port", type=int, help="default: Gradio takes one that is free")
    arguments = parser.parse_args()
    try:
        models = load_models(arguments.model, arguments.vocabulary)
        for model in models.all:
            console().print(f"loaded: {model.name}, {model.count_params():,} parameters")
        launch(build_page(tabs, models), arguments.port)
    except kbert.KbertError as error:
        sys.exit(f"error: {error}")


class Refusal(gr.Error):
    """A message in the page's corner. It is rendered as HTML, so it quotes no user's text."""


def refuse(key: str, language: Language, **values: object) -> NoReturn:
    """Says in the page's corner what is wrong."""
    message, title = say(key, language, **values), say("notice", language)
    raise Refusal(message, title=title, print_exception=False)


class Page(gr.Blocks):
    """Gradio's, whose own errors, which are English and of Python, no visitor sees."""

    async def process_api(self, block_fn: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Answers a request; whatever goes wrong, in words for its reader."""
        try:
            return await super().process_api(block_fn, *arguments, **named)
        except Refusal:
            raise
        except Exception as error:
            # Where it happened, without its message, which may hold what a visitor wrote.
            frames = traceback.extract_tb(error.__traceback__)
            where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
            print(f"{type(error).__name__} at {where}", file=sys.stderr)
            refuse("sorry", LANGUAGES[PAGES.index(block_fn.page)])


def build_page(tabs: Tabs, models: Models) -> Page:
    """The page: the tabs, or one of them alone; at / in Korean, at /en in English."""
    title = "page_title" if len(tabs) > 1 else tabs[0][0]
    with Page(title=f"{say(title, 'ko')} · kbert") as page:
        _layout(tabs, models, title, "ko")
    with page.route("English", PAGES[1], show_in_navbar=False):
        _layout(tabs, models, title, "en")
    return page


def _layout(tabs: Tabs, models: Models, title: str, language: Language) -> None:
    other = "./en" if language == "ko" else "./"
    told = note(say("quickstart_note", language)) if models.is_quickstart else ""
    intro = f"<p>{say('page_note', language)}</p>" if len(tabs) > 1 else ""
    gr.HTML(
        f'<header class="kbert-head"><div><h1>{say(title, language)}</h1>'
        f'<a class="language" href="{other}">{say("other_language", language)}</a></div>'
        f"{intro}{told}</header>"
    )
    if len(tabs) == 1:
        tabs[0][1](models, language)
        return
    with gr.Tabs(elem_classes="kbert-tabs", overflow_behavior="wrap"):
        for name, build in tabs:
            with gr.Tab(say(name, language), id=name, elem_id=f"tab-{name}"):
                build(models, language)


def launch(page: gr.Blocks, port: int | None = None, wait: bool = True) -> str:
    """Serves the page to this machine alone, and returns its address.

    Gradio's doors that a demo has no use for stay shut: no public link, no files, no answers to
    other sites' pages or under other names, no statistics, no tracebacks shown, no endless queue.
    """
    page.queue(max_size=MOST_WAITING, default_concurrency_limit=1)
    # What a screen reader is told; Gradio has no words for it, and would show the key.
    done = {language: {"common.complete": say("done", language)} for language in LANGUAGES}
    try:
        _, address, _ = page.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            max_file_size="1mb",
            allowed_paths=[],
            strict_cors=True,
            state_session_capacity=MOST_SESSIONS,
            app_kwargs={"middleware": [Middleware(Gate)]},
            ssr_mode=False,
            i18n=gr.I18n(**done),
            show_error=False,
            enable_monitoring=False,
            mcp_server=False,
            prevent_thread_lock=not wait,
            footer_links=[],
            theme=theme(),
            css=(FOLDER / "page.css").read_text(encoding="utf-8"),
            head=script(),
        )
    except (OSError, OverflowError):
        raise kbert.KbertError(
            f"the page cannot be served on port {port or 'any of Gradio, 7860 to 7959'}: it is "
            "taken, or is no port; pass another with --port"
        ) from None
    return address


def theme() -> gr.themes.Base:
    """Colours and sizes; fonts of the reader's own system, since none is to be fetched."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="stone",
        text_size="lg",
        radius_size="md",
        font=FONT,
        font_mono=FONT,  # monospaced Hangul has gaps
    ).set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#191a1c",
        block_background_fill="white",
        block_background_fill_dark="#222427",
        block_border_width="1px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color_dark="white",
        button_large_text_size="*text_md",
        input_background_fill="#fcfbfa",
        input_background_fill_dark="#191a1c",
        input_border_width="1px",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_hover="transparent",
        checkbox_label_background_fill_hover_dark="transparent",
        checkbox_label_border_width="1px",
    )


def script() -> str:
    """page.js, with what it says."""
    told = {
        key: [say(key, language) for language in LANGUAGES]
        for key in ("notice", "busy", "connection_lost")
    }
    source = (FOLDER / "page.js").read_text(encoding="utf-8")
    return f"<script>{source.replace('TOLD', json.dumps(told))}</script>"


def textbox(
    key: str, language: Language, value: str = "", lines: int = 2, **more: Any
) -> gr.Textbox:
    """A text box; `read` says what is too long, and the box only keeps a request within bounds."""
    return gr.Textbox(
        value, label=say(key, language), lines=lines, max_length=MOST_IN_A_BOX, **more
    )


def read(text: str | None, language: Language, most: int = MOST_CHARACTERS) -> str:
    """What came from a text box, without what no text has: NUL bytes and halves of characters."""
    if text and len(text) > most:
        refuse("too_long", language, length=len(text), most=most)
    return (text or "").replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def answers(
    name: str,
    language: Language,
    answer: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    triggers: list[Any],
) -> None:
    """Has a tab's function answer; all of them take turns, since the model is one."""
    asked = gr.on(
        triggers,
        answer,
        inputs,
        outputs,
        api_name=name if language == "ko" else f"{name}_{language}",
        concurrency_id="model",
        concurrency_limit=1,
        show_progress="minimal",
    )
    _show(asked, outputs[0])


def _show(asked: Any, output: gr.HTML) -> None:
    """On a phone the answer comes below what is in sight: the page moves there."""
    output.elem_id = f"answer-{output._id}"
    asked.success(None, js=f"() => kbertShow('{output.elem_id}')", api_visibility="private")


def examples(
    language: Language,
    samples: list[list[Any]],
    into: list[Any],
    answer: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
) -> None:
    """Examples that fill the boxes when they are clicked, and are answered at once."""
    first = [str(sample[0]).partition("\n")[0] for sample in samples]
    dataset = gr.Dataset(
        components=into,
        samples=samples,
        sample_labels=[text if len(text) < 40 else f"{text[:38]}…" for text in first],
        label=say("examples", language),
        type="index",
        elem_classes="kbert-examples",
    )

    chosen = samples if len(into) > 1 else [sample[0] for sample in samples]
    fill = f"index => ({json.dumps(chosen)})[index]"  # in the browser
    filled = dataset.click(None, dataset, into, js=fill, api_visibility="private")
    asked = filled.then(
        answer,
        inputs,
        outputs,
        api_name="example",
        api_visibility="private",
        concurrency_id="model",
        concurrency_limit=1,
        show_progress="minimal",
    )
    _show(asked, outputs[0])
