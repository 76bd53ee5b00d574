import numpy as np
import pytest

from kbert import KbertError
from kbert.data.pretraining.pseudo_perplexity import pseudo_perplexity_batches
from kbert.data.shards.fingerprint import text_fingerprint, vocabulary_fingerprint
from kbert.data.shards.shards import encode_documents

DOCUMENTS = [["나 너 우리 .", "축구 는 정말 재미있 다 .", "법률 을 의결 한다"], ["국민 의 국회"]]


@pytest.fixture
def shard(tokenizer):
    return encode_documents(DOCUMENTS, tokenizer)


def test_every_token_is_masked_once_and_the_rest_is_as_it_was(shard, tokenizer):
    batches = pseudo_perplexity_batches(shard, tokenizer, sequence_length=8, batch_size=4, seed=0)
    x, y, weights = ({k: np.concatenate([b[i][k] for b in batches]) for k in batches[0][i]}
                     for i in range(3))  # fmt: skip
    real = weights["mlm"][:, 0] == 1
    assert real.sum() == len(shard.ids) and len(real) % 4 == 0
    assert not weights["nsp"].any()
    restored = x["input_ids"].copy()
    rows, places = np.arange(len(restored)), x["masked_lm_positions"][:, 0]
    assert (restored[rows, places][real] == tokenizer.mask_id).all()
    restored[rows, places] = np.where(real, y["mlm"][:, 0], restored[rows, places])
    rows_of = {tuple(row[row != tokenizer.pad_id].tolist()) for row in restored[real]}
    sentences = [sentence for document in DOCUMENTS for sentence in document]
    whole = {tuple(tokenizer(sentence)["input_ids"][0].tolist()) for sentence in sentences}
    assert rows_of == whole
    # In the order of the text, when every sentence is drawn.
    assert y["mlm"][real, 0].tolist() == shard.ids.tolist()


def test_a_sample_is_drawn_from_what_fits(shard, tokenizer):
    def labels(seed, **options):
        settings = {"sequence_length": 7, "batch_size": 4, **options}
        batches = pseudo_perplexity_batches(shard, tokenizer, seed=seed, **settings)
        return [int(i) for _, y, w in batches for i in y["mlm"][w["mlm"] == 1]]

    lengths = np.diff(shard.sentence_starts)
    assert len(labels(0)) == lengths[lengths <= 5].sum() < len(shard.ids)
    assert labels(0, sentences=1) == labels(0, sentences=1)
    assert len({tuple(labels(seed, sentences=1)) for seed in range(20)}) == (lengths <= 5).sum()
    with pytest.raises(KbertError, match="no sentence fits into 3 tokens"):
        labels(0, sequence_length=3)


def test_a_model_with_one_head_gets_arrays_without_names(shard, tokenizer):
    settings = {"sequence_length": 8, "batch_size": 4, "seed": 0}
    both = pseudo_perplexity_batches(shard, tokenizer, **settings)
    one = pseudo_perplexity_batches(shard, tokenizer, objective="masked-lm", **settings)
    assert len(one) == len(both) > 1
    for (x, y, weights), (same_x, named, named_weights) in zip(one, both, strict=True):
        for name, array in x.items():
            np.testing.assert_array_equal(array, same_x[name])
        np.testing.assert_array_equal(y, named["mlm"])
        np.testing.assert_array_equal(weights, named_weights["mlm"])


def test_fingerprints_tell_texts_and_vocabularies_apart(shard, tokenizer):
    same = encode_documents(DOCUMENTS, tokenizer)
    joined = encode_documents([DOCUMENTS[0] + DOCUMENTS[1]], tokenizer)  # the same ids
    assert text_fingerprint(shard) == text_fingerprint(same) != text_fingerprint(joined)
    other = type(tokenizer)(tokenizer.vocabulary, lowercase=True)
    fingerprints = {vocabulary_fingerprint(each) for each in (tokenizer, other)}
    assert len(fingerprints) == 2
    assert vocabulary_fingerprint(type(tokenizer)(tokenizer.vocabulary)) in fingerprints
