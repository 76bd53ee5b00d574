import numpy as np
import pytest

from kbert import BertForTokenClassification, KbertError, TokenClassifier
from kbert.pipelines.tag import TaggedPieces

BIO = ["O", "B-PS", "I-PS", "B-LC", "I-LC"]


@pytest.fixture
def tagger(small, tokenizer):
    def made(labels=BIO):
        model = BertForTokenClassification(labels=labels, **small)
        model.tokenizer = tokenizer
        return TokenClassifier(model)

    return made


def found(tagger, text, offsets, labels, **settings):
    """What pieces with these labels are taken for."""
    scores = np.linspace(0.5, 0.9, len(labels))
    pieces = TaggedPieces(np.array(offsets).reshape(-1, 2), labels, scores)
    tagger.pieces = lambda texts, batch_size: [pieces]
    return tagger([text], **settings)[0]


def test_entities_are_slices_that_end_before_the_particle(tagger):
    text, offsets = "나는 국회에 갔다", [(0, 1), (1, 2), (3, 5), (5, 6), (7, 9)]
    labels = ["B-PS", "O", "B-LC", "I-LC", "O"]
    one, two = found(tagger(), text, offsets, labels)
    assert (one["text"], one["label"], one["start"], one["end"]) == ("나", "PS", 0, 1)
    assert (two["text"], two["label"], two["start"], two["end"]) == ("국회에", "LC", 3, 6)
    assert one["score"] == 0.5 and two["score"] == pytest.approx(0.75)


def test_an_eojeol_is_of_its_first_pieces_entity(tagger):
    text, offsets = "나는 국회에 갔다", [(0, 1), (1, 2), (3, 5), (5, 6), (7, 9)]
    labels = ["B-PS", "O", "O", "B-LC", "O"]
    whole = found(tagger(), text, offsets, labels, unit="eojeol")
    assert [(each["text"], each["label"]) for each in whole] == [("나는", "PS")]


def test_words_have_one_tag_each(tagger):
    text, offsets = " 국회는 \u200b 나", [(1, 3), (3, 4), (7, 8)]
    words = found(tagger(["NNG", "NP", "VV"]), text, offsets, ["NNG", "VV", "NP"])
    assert [(each["text"], each["label"]) for each in words] == [
        ("국회는", "NNG"),
        ("\u200b", ""),  # cleaned away, so there is nothing to tag
        ("나", "NP"),
    ]


def test_words_may_be_cut_as_a_treebank_cuts_them(tagger):
    """UD_Korean-GSD's are no eojeols: (국회) 는 and the bracket have tags of their own."""
    text, offsets = "(국회)는 갔다.", [(0, 1), (1, 3), (3, 5), (6, 9)]
    labels, words = ["PUNCT", "NOUN", "ADP", "VERB"], [(0, 1), (1, 3), (3, 4), (4, 5), (6, 9)]
    cut = found(tagger([*labels, "X"]), text, offsets, labels, words=[words])
    assert [(each["text"], each["label"]) for each in cut] == [
        ("(", "PUNCT"),
        ("국회", "NOUN"),
        (")", "ADP"),
        ("는", ""),  # within the piece before, and no tag is another word's
        ("갔다.", "VERB"),
    ]
    with pytest.raises(
        KbertError, match=r"words are a list for each text, .*: 2 lists for 1 text,"
    ):
        found(tagger(labels), text, offsets, labels, words=[words, words])
    with pytest.raises(KbertError, match="of a tagger of whole words"):
        found(tagger(), text, offsets, labels, words=[words])


def test_windows_of_a_long_text_give_each_piece_once(tagger, tokenizer):
    """A row holds 17 tokens; pieces come out as they stand, each once."""
    text = "축구는 정말 국회에 나 너 우리는 " * 9
    pieces = tokenizer.encode_pieces([text], ["offsets"])
    (tagged,) = tagger().pieces([text])
    np.testing.assert_array_equal(tagged.offsets, pieces.columns["offsets"])
    assert len(tagged.labels) == len(pieces.ids) == len(tagged.scores)


def test_a_short_text_has_the_models_own_labels(tagger, tokenizer):
    pipeline = tagger()
    text = "국회에 나는다"
    inputs = tokenizer(text)
    logits = np.asarray(pipeline.model.predict(inputs, verbose=0))[0, 1:-1]
    (tagged,) = pipeline.pieces([text])
    assert tagged.labels == [BIO[i] for i in logits.argmax(axis=-1)]
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(tagged.scores, expected.max(axis=-1), atol=2e-6)


def test_texts_without_a_word(tagger):
    assert tagger()(["", "  "]) == [[], []]
    assert tagger(["NNG", "VV"])("") == []


def test_units_that_are_none_are_refused(tagger):
    with pytest.raises(KbertError, match="unit is 'piece' or 'eojeol', not 'word'"):
        tagger()("국회", unit="word")
