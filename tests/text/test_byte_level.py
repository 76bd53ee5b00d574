"""Byte-level BPE beside transformers' tokenizer of the same files, as ModernBERT has it."""

import json

import numpy as np
import pytest
import tokenizers

from kbert import KbertError, Tokenizer
from kbert.pipelines.filled_text import fill_text
from tests.conftest import SENTENCES

SPECIALS = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
TEXTS = [
    *SENTENCES,
    "",
    " ",
    "국회",
    " 국회",
    "a  b\t\n국회  의결",
    "뷁쀍 😀 café ﷺ",
    "don't 12,345원 e\u0301",
    "대한민국의 [MASK]에게 [MASK] 있고",
    "    들여쓰기",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tokenizer as ModernBERT's files have it: added tokens before and behind the vocabulary."""
    engine = tokenizers.Tokenizer(tokenizers.models.BPE())
    engine.normalizer = tokenizers.normalizers.NFC()
    engine.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["|||IP_ADDRESS|||", "<|padding|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    engine.train_from_iterator(SENTENCES * 3, trainer)
    engine.add_tokens([tokenizers.AddedToken("    ", normalized=False)])
    engine.add_special_tokens(
        [tokenizers.AddedToken(token, lstrip=token == "[MASK]") for token in SPECIALS.values()]
    )
    ids = {token: engine.token_to_id(token) for token in ("[CLS]", "[SEP]")}
    engine.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=list(ids.items()),
    )
    path = tmp_path_factory.mktemp("bpe")
    engine.save(str(path / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True}
    config |= {f"{role}_token": token for role, token in SPECIALS.items()}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def tokenizer(folder):
    return Tokenizer.from_file(folder)


@pytest.fixture(scope="module")
def theirs(folder):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(folder)


def test_the_same_ids_as_transformers(tokenizer, theirs):
    assert len(tokenizer) == len(theirs) and not tokenizer.is_wordpiece
    assert tokenizer.vocabulary[:2] == ["|||IP_ADDRESS|||", "<|padding|>"]
    for text in TEXTS:
        expected = theirs(text)["input_ids"]
        assert tokenizer(text)["input_ids"][0].tolist() == expected, text
    pair = tokenizer("국회는", "법률을 의결한다")
    assert pair["input_ids"][0].tolist() == theirs("국회는", "법률을 의결한다")["input_ids"]
    assert pair["token_type_ids"][0].max() == 1
    # Many texts go the same way as one.
    many = tokenizer.encode(TEXTS * 200)
    assert many == [tokenizer.encode([text])[0] for text in TEXTS] * 200


def test_ids_become_the_text_again(tokenizer):
    """All of it, rare letters too: nothing is unknown."""
    for text in ("국회의 뷁쀍 😀", "a  b\n국", "한"):
        ids = tokenizer.encode([text])[0]
        assert tokenizer.unk_id not in ids
        assert tokenizer.decode([tokenizer.cls_id, *ids, tokenizer.sep_id]) == text


def test_offsets_and_eojeols(tokenizer):
    """Each token's place in the text; a letter of several tokens is the place of all of them."""
    text = "국회는 뷁 법률을"
    row = tokenizer(text, return_offsets=True, return_eojeol_ids=True)
    spans, eojeols = row["offsets"][0, 1:-1], row["eojeol_ids"][0, 1:-1]
    words = [(0, 3), (4, 5), (6, 9)]
    for (start, end), eojeol in zip(spans.tolist(), eojeols.tolist(), strict=True):
        begin, stop = words[eojeol]
        assert begin - 1 <= start < end <= stop
    covered = {place for start, end in spans.tolist() for place in range(start, end)}
    assert covered == set(range(len(text)))
    decomposed = "국회는"
    found = tokenizer(decomposed, return_offsets=True)["offsets"][0, 1:-1]
    assert found[0, 0] == 0 and found[-1, 1] == len(decomposed)


def test_what_is_glued_to_a_blank_is_within_the_word_in_any_case(tokenizer):
    text = "국민[MASK]에게"
    plain, glued = (
        tokenizer(text, glued_to_mask=way)["input_ids"] for way in ("word", "continuation")
    )
    np.testing.assert_array_equal(plain, glued)


def test_a_filled_blank_is_joined_where_the_token_has_no_space(tokenizer):
    within, apart = tokenizer.encode(["국민 국민"])[0][-1], tokenizer.id("Ġ")
    written = tokenizer.decode([within]).strip()
    joined = not tokenizer.decode([within]).startswith(" ")
    filled = fill_text(tokenizer, "대한 [MASK].", {0: within})
    assert filled == ("대한" if joined else "대한 ") + written + "."
    assert fill_text(tokenizer, "대한 [MASK].", {0: apart}) == "대한 ."


def test_own_files_and_hugging_faces(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path / "own")
    again = Tokenizer.from_file(tmp_path / "own")
    assert again.settings == tokenizer.settings and again.merges == tokenizer.merges
    assert again.encode(TEXTS) == tokenizer.encode(TEXTS)
    tokenizer.save_huggingface(tmp_path / "theirs")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "theirs")
    for text in TEXTS:
        assert theirs(text)["input_ids"] == tokenizer(text)["input_ids"][0].tolist()
    back = Tokenizer.from_file(tmp_path / "theirs")
    assert back.vocabulary == tokenizer.vocabulary and back.merges == tokenizer.merges
    assert back.encode(TEXTS) == tokenizer.encode(TEXTS)
    # A WordPiece tokenizer that is saved over it leaves no merges behind.
    Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회".split()).save(tmp_path / "own")
    assert Tokenizer.from_file(tmp_path / "own").is_wordpiece


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j: j["model"].update(byte_fallback=True), "a BPE with byte_fallback True"),
        (lambda j: j["model"].update(ignore_merges=True), "a BPE with ignore_merges True"),
        (lambda j: j["model"].update(dropout=0.1), "a BPE with dropout 0.1"),
        (lambda j: j["model"].update(end_of_word_suffix="</w>"), "end_of_word_suffix '</w>'"),
        (
            lambda j: j.update(
                normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
            ),
            r"a BPE with the steps \['Replace'\]",
        ),
        (lambda j: j.update(pre_tokenizer={"type": "Whitespace"}), "kbert's are NFC and ByteLevel"),
        (lambda j: j["pre_tokenizer"].update(use_regex=False), "kbert's are NFC and ByteLevel"),
        (lambda j: j["pre_tokenizer"].update(add_prefix_space=True), "a space before each text"),
        (lambda j: j["model"].update(merges=[["a"]]), r"a merge is a pair of tokens, not \['a'\]"),
        (lambda j: j["model"].update(merges="ab"), "merges is a list of pairs"),
        (lambda j: j["model"].update(merges=[["뷁", "쀍"]]), "do not fit the vocabulary"),
        (lambda j: j["model"]["vocab"].update(x=10**6), "do not go from 0 to"),
        (lambda j: j["model"]["vocab"].update(x="y"), "do not go from 0 to"),
    ],
)
def test_what_is_another_bpe_is_refused(change, message, folder, tmp_path):
    whole = json.loads((folder / "tokenizer.json").read_text())
    change(whole)
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    with pytest.raises(KbertError, match=message):
        Tokenizer.from_file(tmp_path)


def test_merges_as_texts(folder, tokenizer, tmp_path):
    """As files of an older `tokenizers` have them."""
    whole = json.loads((folder / "tokenizer.json").read_text())
    whole["model"]["merges"] = [" ".join(pair) for pair in whole["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    assert Tokenizer.from_file(tmp_path).merges == tokenizer.merges


@pytest.mark.parametrize("setting", [{"lowercase": True}, {"jamo_fallback": True}])
def test_what_does_not_go_with_merges(setting, tokenizer):
    with pytest.raises(KbertError, match="reads a text as it is"):
        Tokenizer(tokenizer.vocabulary, merges=tokenizer.merges, **setting)


@pytest.mark.parametrize("data", [b"{}", b'{"merges": 5}', b'{"merges": [1]}', b"[", b'{"x": 1}'])
def test_merges_that_are_none(data, tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    (tmp_path / "merges.json").write_bytes(data)
    with pytest.raises(KbertError, match=r"merges\.json"):
        Tokenizer.from_file(tmp_path)
