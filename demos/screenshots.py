"""Pictures of the demos' page, for the README and for whoever changes how it looks.

    python demos/screenshots.py --model kbert-mini-ko
    python demos/screenshots.py --model runs/quickstart/model.keras --all /tmp/pictures

Writes docs/demo-*.png; with --all, every tab in both languages, wide and on a phone, light and
dark. Needs `pip install playwright` and Chromium or Chrome (no other browser is fetched).
"""

import argparse
import io
import shutil
import sys
from pathlib import Path
from typing import Any

from app import TABS
from models import load_models
from PIL import Image  # comes with Gradio
from serve import build_page, launch
from texts import LANGUAGES, Language, say

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDE, PHONE = (1280, 900), (390, 844)
DOCS = Path(__file__).parents[1] / "docs"
# What the README shows: tab, width and least height, whether dark.
SHOWN = (
    ("fill_mask", (1200, 600), False),
    ("attention", (1200, 600), False),
    ("next_sentence", (390, 600), True),
)


def find_browser() -> str | None:
    """A browser that Playwright can drive, if one is installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def open_tab(page: Any, name: str, language: Language) -> Any:
    """Opens a tab of the page, and gives what is in it."""
    page.evaluate("scrollTo(0, 0)")
    bar = page.locator(".kbert-tabs > .tab-wrapper")
    bar.get_by_role("tab", name=say(name, language), exact=True).click()
    panel = page.locator(f"#tab-{name}")
    panel.wait_for()
    return panel


def click_example(panel: Any) -> None:
    """Clicks the first example of a tab, if there is one, and waits until it is answered."""
    shown = panel.locator(".gallery-item:visible")
    if not shown.count():
        return
    shown.first.click()
    panel.locator(".kbert-answer:visible, iframe.kbert-explain:visible").first.wait_for()
    panel.locator("iframe.kbert-explain:not([data-drawn])").first.wait_for(state="detached")


def picture_of(view: Any) -> Image.Image:
    """The page down to its end.

    Frames that were never in sight are not painted, so the window is made as high as the page.
    """
    width, height = view.viewport_size["width"], view.viewport_size["height"]
    for _ in range(2):  # twice, since frames find their own height once they are seen
        view.wait_for_timeout(800)
        bottom = "Math.ceil(document.querySelector('main').getBoundingClientRect().bottom)"
        high = max(height, view.evaluate(f"{bottom} + scrollY + 24"))
        view.set_viewport_size({"width": width, "height": high})
    view.mouse.move(0, 0)
    view.evaluate("scrollTo(0, 0)")
    view.wait_for_timeout(500)
    return Image.open(io.BytesIO(view.screenshot())).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", action="append", default=[], help="as demos/app.py takes it")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every tab, into this folder")
    arguments = parser.parse_args()
    browser_path = find_browser()
    if browser_path is None:
        sys.exit(f"error: none of {', '.join(BROWSERS)} is installed")
    from playwright.sync_api import sync_playwright

    page = build_page(TABS, load_models(arguments.model))
    address = launch(page, wait=False)
    every = [
        (name, size, dark, language)
        for language in LANGUAGES
        for dark in (False, True)
        for size in (WIDE, PHONE)
        for name, _ in TABS
    ]
    shown = [(name, size, dark, LANGUAGES[0]) for name, size, dark in SHOWN]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name, size, dark, language in every if arguments.all else shown:
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if dark else "light",
                locale="ko-KR",
            )
            view = context.new_page()
            view.set_default_timeout(60_000)
            view.goto(address + ("en" if language == "en" else ""))
            view.locator(".kbert-head").wait_for()
            click_example(open_tab(view, name, language))
            file = f"demo-{name.replace('_', '-')}"
            if arguments.all:
                width = "phone" if size == PHONE else "wide"
                file += f"-{language}-{width}{'-dark' if dark else ''}"
            folder = arguments.all or DOCS
            folder.mkdir(parents=True, exist_ok=True)
            small = picture_of(view).quantize(96)
            small.save(folder / f"{file}.png", optimize=True)
            context.close()
        browser.close()
    page.close()


if __name__ == "__main__":
    main()
