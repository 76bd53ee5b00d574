import pytest

from kbert import Tokenizer
from kbert.pipelines.filled_text import fill_text

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국민 국회 의 ##의 ##도".split()
PIECES = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "▁", "▁국회", "의"]


@pytest.mark.parametrize(
    ("text", "fillings", "filled"),
    [
        ("쀍은 [MASK]을 본다.", {0: "국회"}, "쀍은 국회을 본다."),
        ("[MASK]의 [MASK]은  [MASK]", {0: "국민"}, "국민의 [MASK]은  [MASK]"),
        ("[MASK]의 [MASK]은  [MASK]", {1: "국민"}, "[MASK]의 국민은  [MASK]"),
        ("[MASK]의 [MASK]은  [MASK]", {2: "##도"}, "[MASK]의 [MASK]은도"),
        ("국회 [MASK] 법률", {0: "##의"}, "국회의 법률"),
        ("국회[MASK] 법률", {0: "의"}, "국회의 법률"),
        ("[MASK] [MASK].", {0: "국민", 1: "##의"}, "국민의."),
        ("[MASK] 국회", {0: "[UNK]"}, "[UNK] 국회"),
        ("국회\n[MASK]", {0: "##의"}, "국회의"),
    ],
)
def test_blanks_are_filled_in_the_text_as_it_was_written(text, fillings, filled):
    tokenizer = Tokenizer(WORDS)
    ids = {blank: tokenizer.id(token) for blank, token in fillings.items()}
    assert fill_text(tokenizer, text, ids) == filled


@pytest.mark.parametrize(
    ("piece", "filled"),
    [("▁국회", "정말  국회가"), ("의", "정말의가"), ("<unk>", "정말  <unk>가"), ("▁", "정말  가")],
)
def test_pieces_of_a_unigram_model(piece, filled):
    special = {
        "pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"
    }  # fmt: skip
    tokenizer = Tokenizer(PIECES, scores=[0.0] * len(PIECES), special_tokens=special)
    text = f"정말  {tokenizer.mask_token}가"
    assert fill_text(tokenizer, text, {0: tokenizer.id(piece)}) == filled
