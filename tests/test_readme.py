"""The Python of README and pages runs as it stands, block after block, in an empty folder."""

import re
from pathlib import Path

import pytest
from huggingface_hub import constants

import kbert
from kbert import BertForPreTraining, Tokenizer

ROOT = Path(__file__).parents[1]


# What the blocks of a page are to print.
SHOWN = {
    "README.md": [
        "^제2차 세계 대전은 1945년에 끝났다.\n{'label': 0, 'next': 0.729",
        "accuracy",
        "긍정|부정",
        r"\n(배송|환불|전화).+니다\.\n",
    ],
    "docs/use.md": [
        r"따른 0\.478 제1항의 규정에 따른 .+\n관한 0\.188 .+\n따라 0\.18 ",
        "'label': 0, 'next': 0.608",
        "\n그는 고등학교를 함께했다.\n.+'그는 고등학교를 졸업했다.'",
        r"0\.138 그 영화는 인기를 .+\n0\.09 .+ 영향을 .+\n0\.073 .+ 호평을 ",
        r"0\.26 그는 고등학교를 졸업하고 대학교에 입학했다.\n0\.608 .+\n0\.332 이 법은",
        "2, 2",
        "'model.safetensors': ",
    ],
    "docs/finetuning.md": [r"\['긍정', '부정'\]", "the list, row 2", "accuracy"],
    "docs/sentence-vectors.md": [r"\[\[1\.", r"\nmean\n", "spearman", "길이 젖는다|날이 맑다"],
    "docs/search.md": [
        r"\n-?[01]\.\d{3} .+ -> .+\.\n",
        r"\(3, 256\) \[\[",
        r"SentenceIndex\('faq.index': 3 vectors of 256 numbers, float32\)",
        r"'id': '(배송|환불|암호)'",
        r"\[\('\w+', ",
    ],
    "docs/pretraining.md": [],
    "docs/explain.md": [
        r"'\[MASK\]', '\[SEP\]'\] \[ ?0 +1",
        r"'mask'|'kept'|'random'",
        r"따른 .+'규정에', 6\.4\), \('\[MASK\]', 0\.0",
        "complete: True",
    ],
}
KOREAN = {
    page: page.replace("docs/", "docs/ko/")
    for page in SHOWN
    if page.startswith("docs/") and page != "docs/pretraining.md"
}
SHOWN |= {korean: SHOWN[page] for page, korean in KOREAN.items()}


RUN = {"docs/pretraining.md": 1}  # of those, the first; the others train for hours


# README runs on every backend, pages on one: what they call is tested on all. A Korean page has the
# code of the English one (test_docs holds it to that), and runs in its place.
PAGES = [
    pytest.param(page, marks=[pytest.mark.once] if page != "README.md" else [])
    for page in SHOWN
    if page not in KOREAN
]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page(page, tmp_path, monkeypatch, capsys, small, tokenizer):
    pytest.importorskip("konlpy")
    words = dict.fromkeys([*tokenizer.vocabulary, "는", "##은", "대한민국"])
    model = BertForPreTraining(**small)
    model.tokenizer = Tokenizer(words)
    model.save(tmp_path / "small.keras")
    monkeypatch.chdir(tmp_path)

    # In the place of what is on the Hub a small model, in a cache as huggingface_hub keeps it.
    long = BertForPreTraining(**{**small, "max_position_embeddings": 64, "num_hidden_layers": 4})
    long.tokenizer = model.tokenizer
    for name in ("klue--bert-base", "jhgan--ko-sroberta-multitask"):
        repository = tmp_path / "hub" / f"models--{name}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0" * 40)
        kbert.export_huggingface(long, repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.S | re.M)
    assert blocks
    names: dict = {}
    for block in blocks[: RUN.get(page)]:
        exec(compile(block, page, "exec"), names)
    shown = capsys.readouterr().out
    for pattern in SHOWN[page]:
        assert re.search(pattern, shown), (pattern, shown)
