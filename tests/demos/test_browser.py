"""The page of all demos in a real browser: every tab, in both languages, wide and on a phone."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio")
pytest.importorskip("playwright")

from playwright import sync_api

import kbert
from tests.demos.conftest import SCRIPTS, page_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:Warning"),
]

WIDE, PHONE = (1280, 900), (390, 844)
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 16, "max_position_embeddings": 64, "initializer_range": 0.5}


def words_of(module_names: tuple[str, ...]) -> list[str]:
    """Every word of the demos' sources: enough for their examples, and in them."""
    folder = Path(__file__).parents[2] / "demos"
    texts = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in module_names]
    found = {letter for text in texts for letter in text if "가" <= letter <= "힣"}
    pieces = [*sorted(found), *"0123456789.,?·", *(f"##{letter}" for letter in sorted(found))]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]


@pytest.fixture(scope="module")
def models() -> list:
    words = words_of(SCRIPTS)
    sizes = {"vocab_size": len(words), "seed": 7, **SIZES}
    made = [
        kbert.BertForPreTraining(**sizes),
        kbert.BertForSequenceClassification(labels=["부정", "긍정"], **sizes),
        kbert.BertForTokenClassification(labels=["B-PS", "I-PS", "B-LC", "I-LC", "O"], **sizes),
        kbert.BertForQuestionAnswering(**sizes),
    ]
    for model in made:
        model.tokenizer = kbert.Tokenizer(words)
    return made


@pytest.fixture
def address(models) -> Iterator[str]:
    with page_of(models, *SCRIPTS) as served_at:
        yield served_at


@pytest.fixture
def browser() -> Iterator:
    found = importlib.import_module("screenshots").find_browser()
    if found is None:
        pytest.skip("no Chromium or Chrome is installed (on Debian: apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_tab_answers_an_example(language, size, address, browser, models):
    shots, texts = importlib.import_module("screenshots"), importlib.import_module("texts")
    view = browser.new_page(viewport={"width": size[0], "height": size[1]}, locale="en-US")
    asked, failed = [], []
    view.set_default_timeout(60_000)
    view.on("request", lambda request: asked.append(request.url))
    view.on("pageerror", lambda error: failed.append(str(error)))
    view.goto(address + ("en" if language == "en" else ""))
    view.locator(".kbert-head").wait_for()
    assert view.locator("h1").inner_text() == texts.say("page_title", language)
    assert view.evaluate("document.documentElement.lang") == language

    panel = shots.open_tab(view, "fill_mask", language)
    shots.click_example(panel)
    example = panel.locator("textarea:visible").first.input_value()
    expected = kbert.FillMask(models[0], glued_to_mask="continuation")(example)
    names = panel.locator(".kbert-answer:visible").first.locator("li b").all_inner_texts()
    assert names == [answer["token_str"] for answer in expected]

    panel = shots.open_tab(view, "next_sentence", language)
    shots.click_example(panel)
    boxes = [box.input_value() for box in panel.locator("textarea:visible").all()]
    ranked = kbert.NextSentence(models[0]).rank(boxes[0], boxes[1].splitlines())
    shown = panel.locator(".kbert-answer:visible li b").all_inner_texts()
    assert shown == [each["text"] for each in ranked]

    panel = shots.open_tab(view, "attention", language)
    shots.click_example(panel)
    frame = panel.frame_locator("iframe.kbert-explain:visible")
    eojeols = kbert.explain.attention(models[0], example_of("attention")).eojeols
    drawn = frame.locator("svg[data-unit=eojeol] .left")
    drawn.first.wait_for()
    assert [text.split("…")[0] for text in drawn.all_text_contents()][:3] == eojeols[:3]
    drawn.nth(1).click()
    shares = frame.locator("svg[data-unit=eojeol] .share").all_text_contents()
    assert 95 <= sum(int(share.rstrip("%")) for share in shares) <= 105  # each is rounded
    height = panel.locator("iframe.kbert-explain:visible").bounding_box()["height"]
    assert height > 400, "the frame is as high as its picture"

    panel = shots.open_tab(view, "neurons", language)
    shots.click_example(panel)
    frame = panel.frame_locator("iframe.kbert-explain:visible")
    assert "√8" in frame.locator("table.steps").first.inner_text()

    panel = shots.open_tab(view, "tokens", language)
    shots.click_example(panel)
    first = panel.locator(".chips:visible").first.locator("span").first.inner_text()
    assert first == example_of("tokens")[0]
    pictures = panel.locator("iframe.kbert-explain:visible")
    pictures.nth(1).wait_for()  # on a busy machine the second comes later
    assert pictures.count() == 2

    panel = shots.open_tab(view, "contexts", language)
    shots.click_example(panel)
    frame = panel.frame_locator("iframe.kbert-explain:visible")
    word, lines = importlib.import_module("contexts").WORDS[0]
    frame.locator("mark").first.wait_for()
    assert frame.locator("mark").all_text_contents() == [word] * len(lines.splitlines())

    panel = shots.open_tab(view, "sentences", language)
    shots.click_example(panel)
    sentences = importlib.import_module("sentences")
    lines = sentences.SIMILAR[0][1].splitlines()
    order = sentences.nearest(sentences.mean_vectors(models[0]), sentences.SIMILAR[0][0], lines)
    shown = panel.locator(".kbert-answer:visible li b").all_inner_texts()
    assert shown == [lines[place] for place, _ in order]

    panel = shots.open_tab(view, "fine_tuned", language)
    shots.click_example(panel)
    shown = panel.locator(".kbert-answer:visible li b").all_inner_texts()
    text = importlib.import_module("fine_tuned").REVIEWS[0][0]
    assert shown == [*kbert.TextClassifier(models[1])(text)["scores"]]

    wide = view.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0], "the page is no wider than the window"
    assert failed == []
    outside = [url for url in asked if not url.startswith((address, "data:", "about:", "blob:"))]
    assert outside == [], "the page needs no network"


def example_of(name: str) -> str:
    return importlib.import_module(name).EXAMPLES[0][0]


def test_a_message_a_file_and_the_other_language(address, browser, tmp_path):
    shots, texts = importlib.import_module("screenshots"), importlib.import_module("texts")
    view = browser.new_page(locale="en-US")
    view.goto(address)
    view.locator(".kbert-head").wait_for()
    box = view.locator("textarea:visible").first
    box.fill("빈칸이 없는 <b>글</b>")
    view.get_by_role("button", name=texts.say("fill_mask_button", "ko"), exact=True).click()
    toast = view.locator(".toast-body")
    toast.wait_for()
    assert texts.say("notice", "ko") in toast.inner_text()
    assert texts.say("no_blank", "ko") in toast.inner_text()
    assert "Error" not in toast.inner_text()

    assert not view.locator(".wrap > .error").first.is_visible(), (
        "Gradio's own word, over an answer"
    )

    long = "국민은 " * 300 + "[MASK]"
    box.fill(long)
    assert box.input_value() == long, "nothing is cut off unsaid"
    view.get_by_role("button", name=texts.say("fill_mask_button", "ko"), exact=True).click()
    told = texts.say("too_long", "ko", length=len(long), most=1000)
    view.get_by_text(told).wait_for()

    table = tmp_path / "질문.csv"
    table.write_bytes("문을 여나요?,네\n닫나요?,아니요".encode("cp949"))  # as Excel writes it
    panel = shots.open_tab(view, "sentences", "ko")
    panel.get_by_role("tab", name=texts.say("search", "ko")).click()
    panel.locator("input[type=file]").set_input_files(table)
    filled = panel.locator("textarea:visible").nth(1)
    sync_api.expect(filled).to_have_value("문을 여나요?,네\n닫나요?,아니요")
    panel.get_by_role("button", name=texts.say("search_button", "ko"), exact=True).click()
    answer = panel.locator(".kbert-answer:visible li small").first
    answer.wait_for()
    assert answer.inner_text() in ("네", "아니요")

    view.locator("a.language").click()
    view.wait_for_url("**/en")
    view.locator(".kbert-head").wait_for()
    assert view.locator("h1").inner_text() == texts.say("page_title", "en")
    view.locator("a.language").click()
    sync_api.expect(view.locator("h1")).to_have_text(texts.say("page_title", "ko"))


def test_a_page_whose_server_is_gone_says_so_in_korean(models, browser):
    texts = importlib.import_module("texts")
    view = browser.new_page(locale="en-US")
    with page_of(models, "fill_mask") as address:
        view.goto(address)
        view.locator(".kbert-head").wait_for()
        view.wait_for_timeout(500)
    view.get_by_role("button", name=texts.say("fill_mask_button", "ko"), exact=True).click()
    toast = view.locator(".toast-body").first
    toast.wait_for()
    assert texts.say("connection_lost", "ko") in toast.inner_text()
    assert "rror" not in toast.inner_text()
