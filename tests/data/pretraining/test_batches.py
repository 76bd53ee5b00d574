from itertools import pairwise

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.corpus.corpus import read_documents
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.pretraining.rows import check_shard
from kbert.data.pretraining.sources import Source
from kbert.data.shards.shards import EOJEOL, MORPHEME, Shard, encode_documents

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(50))]
SETTINGS = {"sequence_length": 24, "batch_size": 4, "seed": 3}


def documents():
    rng = np.random.default_rng(0)
    return [
        [" ".join(f"w{i}" for i in rng.integers(0, 50, rng.integers(3, 9))) for _ in range(9)]
        for _ in range(5)
    ]


@pytest.fixture
def made():
    tokenizer = Tokenizer(WORDS)
    return encode_documents(documents(), tokenizer), tokenizer


def leaves(batch):
    """Every array of a batch, by name."""
    named = zip(("x", "y", "weights"), batch, strict=True)
    parts = [(top, part if isinstance(part, dict) else {"": part}) for top, part in named]
    return {f"{top} {name}": array for top, part in parts for name, array in part.items()}


def same(one, two):
    first, second = leaves(one), leaves(two)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert first[name].dtype == second[name].dtype


def test_a_batch_undone_is_text_of_the_shard(made):
    shard, tokenizer = made
    batches = PretrainingBatches(*made, **SETTINGS)
    for x, y, weights in (batches[i] for i in range(len(batches))):
        assert {name: array.shape for name, array in x.items()} == {
            "input_ids": (4, 24),
            "token_type_ids": (4, 24),
            "attention_mask": (4, 24),
            "masked_lm_positions": (4, 4),
            "lengths": (4,),
        }
        assert x["lengths"].tolist() == x["attention_mask"].sum(axis=1).tolist()
        ids = x["input_ids"].copy()
        real = weights["mlm"] > 0
        row = np.broadcast_to(np.arange(4)[:, None], real.shape)
        ids[row[real], x["masked_lm_positions"][real]] = y["mlm"][real]
        stream = shard.ids.tolist()
        for each, segments, mask in zip(
            ids.tolist(), x["token_type_ids"], x["attention_mask"], strict=True
        ):
            length = int(mask.sum())
            first_end = each.index(tokenizer.sep_id)
            first, second = each[1:first_end], each[first_end + 1 : length - 1]
            assert each[0] == tokenizer.cls_id and each[length - 1] == tokenizer.sep_id
            assert set(each[length:]) <= {tokenizer.pad_id} and mask[:length].all()
            assert segments.tolist() == (
                [0] * (first_end + 1) + [1] * (len(second) + 1) + [0] * (24 - length)
            )
            for text in (first, second):
                size = len(text)
                assert any(stream[i : i + size] == text for i in range(len(stream) - size + 1))
        assert (weights["nsp"] == 1).all() and set(y["nsp"].tolist()) <= {0, 1}


def test_a_batch_depends_on_seed_and_step_alone(made):
    long = PretrainingBatches(*made, **SETTINGS, steps=40)
    short = PretrainingBatches(*made, **SETTINGS, steps=10, first_step=25)
    same(short[3], long[28])  # asked in another order, from another object, epochs later
    same(long[28], long[28])
    other = PretrainingBatches(*made, **{**SETTINGS, "seed": 4}, steps=40)
    assert not np.array_equal(other[0][0]["input_ids"], long[0][0]["input_ids"])
    with pytest.raises(IndexError):
        long[40]


def test_every_epoch_is_masked_and_paired_anew(made):
    one_epoch = PretrainingBatches(*made, **SETTINGS)
    steps = len(one_epoch)
    long = PretrainingBatches(*made, **SETTINGS, steps=2 * steps)
    assert not np.array_equal(long[0][0]["input_ids"], long[steps][0]["input_ids"])


def test_no_batches(made):
    for change in ({"steps": 0}, {"batch_size": 0}, {"first_step": -1}, {"batch_size": "4"}):
        with pytest.raises(KbertError, match=f"{next(iter(change))}.* must be a whole number from"):
            PretrainingBatches(*made, **{**SETTINGS, **change})


def test_a_tokenizer_that_did_not_make_the_shard(made):
    with pytest.raises(KbertError, match="did not make this shard"):
        PretrainingBatches(made[0], Tokenizer(WORDS[:20]), **SETTINGS)


def test_the_id_just_behind_the_vocabulary_is_refused(tokenizer):
    starts = np.array([0, 1])
    check_shard(Shard(np.array([len(tokenizer) - 1], np.uint16), starts, starts), tokenizer)
    with pytest.raises(KbertError, match="did not make this shard"):
        check_shard(Shard(np.array([len(tokenizer)], np.uint16), starts, starts), tokenizer)


@pytest.mark.parametrize("roberta_pairs", [False, True])
def test_special_tokens_at_other_ids(roberta_pairs):
    """KLUE-RoBERTa's ids, [CLS] 0 [PAD] 1 [SEP] 2 [UNK] 3; and RoBERTa's doubled [SEP]."""
    words = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *WORDS[5:], "[MASK]"]
    tokenizer = Tokenizer(words, roberta_pairs=roberta_pairs)
    shard = encode_documents(documents(), tokenizer)
    batches = PretrainingBatches(shard, tokenizer, **SETTINGS)
    separators = 3 if roberta_pairs else 2
    for x, y, weights in (batches[i] for i in range(len(batches))):
        assert (y["mlm"][weights["mlm"] > 0] >= 4).all()
        for ids, segments, mask in zip(*map(x.get, list(x)[:3]), strict=True):
            length = int(mask.sum())
            assert ids[0] == 0 and ids[length - 1] == 2 and (ids[length:] == 1).all()
            assert (ids[:length] == 2).sum() == separators and (ids[:length] != 1).all()
            first_end = ids.tolist().index(2)
            if roberta_pairs:
                assert ids[first_end + 1] == 2 and not segments.any()
            else:
                assert segments.sum() == length - first_end - 1
        assert (x["input_ids"] == len(words) - 1).any()
    assert max(int(batches[i][0]["attention_mask"].sum(1).max()) for i in range(5)) == 24


def unmasked(x, labels, weights):
    """The ids as they were before they were masked."""
    ids, real = x["input_ids"].copy(), weights > 0
    row = np.broadcast_to(np.arange(len(ids))[:, None], real.shape)
    ids[row[real], x["masked_lm_positions"][real]] = labels[real]
    return ids


def marked(shard: Shard, seed=0) -> Shard:
    """With marks of words: some three tokens an eojeol, some two a morpheme."""
    rng = np.random.default_rng(seed)
    eojeol = rng.random(len(shard.ids)) < 1 / 3
    eojeol[shard.sentence_starts[:-1]] = True
    morpheme = eojeol | (rng.random(len(shard.ids)) < 1 / 4)
    marks = (EOJEOL * eojeol + MORPHEME * morpheme).astype(np.uint8)
    return Shard(shard.ids, shard.sentence_starts, shard.document_starts, marks)


@pytest.fixture
def sources(made):
    """Running text in two shards, and twice as much of it as its size; comments."""
    texts = [marked(made[0]), marked(encode_documents(documents()[:3], made[1]), 1)]
    comments = encode_documents([[f"w{i} w{i + 1}"] * 5 for i in range(40)], made[1])
    return [
        Source(texts, weight=2, name="texts"),
        Source([marked(comments, 2)], next_sentence=False, name="comments"),
    ]


@pytest.mark.parametrize("packing", ["tokens", "sentences", "documents"])
def test_full_rows_undone_are_the_text(made, packing):
    """Masked LM: every token of the shard once an epoch, with a [SEP] between documents."""
    shard, tokenizer = made
    settings = {**SETTINGS, "batch_size": 1, "objective": "masked-lm", "packing": packing}
    batches = PretrainingBatches(*made, **settings)
    starts = shard.sentence_starts[shard.document_starts]
    stream = []  # the shard, with a [SEP] behind every document
    for begin, end in pairwise(starts):
        stream += [*shard.ids[begin:end].tolist(), tokenizer.sep_id]
    counts = np.zeros(len(tokenizer), int)
    for x, y, weights in (batches[i] for i in range(len(batches))):
        assert y.shape == weights.shape == x["masked_lm_positions"].shape == (1, 4)
        length = int(x["attention_mask"].sum())
        row = unmasked(x, y, weights)[0, :length].tolist()
        assert row[0] == tokenizer.cls_id and row[-1] == tokenizer.sep_id
        text = row[1:-1]
        assert any(stream[i : i + len(text)] == text for i in range(len(stream)))
        assert not x["token_type_ids"].any()
        counts += np.bincount(text, minlength=len(tokenizer))
    counts[tokenizer.sep_id] = 0
    np.testing.assert_array_equal(counts, np.bincount(shard.ids, minlength=len(tokenizer)))


def test_sources_are_mixed_and_comments_kept_out_of_next_sentences(made, sources):
    batches = PretrainingBatches(sources, made[1], **{**SETTINGS, "batch_size": 10}, steps=300)
    pairs, rows = 0, 0
    for x, y, weights in (batches[i] for i in range(300)):
        asked = weights["nsp"] > 0
        ends = (unmasked(x, y["mlm"], weights["mlm"]) == made[1].sep_id).sum(axis=1)
        assert (ends[asked] == 2).all()  # [CLS] first [SEP] second [SEP]
        assert not x["token_type_ids"][~asked].any() and (x["token_type_ids"][asked] > 0).any()
        assert (weights["mlm"][:, 0] == 1).all()  # they are masked like the others
        pairs, rows = pairs + asked.sum(), rows + len(asked)
    full = len(PretrainingBatches(sources[1:], made[1], **SETTINGS, objective="masked-lm"))
    texts = len(PretrainingBatches(sources[:1], made[1], **SETTINGS))
    once = PretrainingBatches([Source(sources[0].shards)], made[1], **SETTINGS)
    assert texts - 2 * len(once) in (-1, 0)  # weight 2: twice through, in whole batches
    assert pairs / rows == pytest.approx(texts / (texts + full), abs=0.02)


def test_a_run_over_only_comments_has_no_next_sentences(made, sources):
    with pytest.raises(KbertError, match="no source is for next-sentence"):
        PretrainingBatches(sources[1:], made[1], **SETTINGS)


def test_rows_of_which_tokens_are_to_be_replaced(made):
    """Of the masked 85% are [MASK], the others as they were; every real token is asked about."""
    batches = PretrainingBatches(
        *made, **{**SETTINGS, "batch_size": 40}, objective="replaced-token-detection", steps=20
    )
    mask_id, shown, total = made[1].mask_id, 0, 0
    for x, y, weights in (batches[i] for i in range(20)):
        real = weights["mlm"] > 0
        at = np.take_along_axis(x["input_ids"], x["masked_lm_positions"], axis=1)[real]
        words = x["masked_lm_ids"][real]
        assert set(at[at != words].tolist()) == {mask_id}
        shown, total = shown + (at == mask_id).sum(), total + len(at)
        np.testing.assert_array_equal(y["mlm"], x["masked_lm_ids"])
        np.testing.assert_array_equal(weights["rtd"], x["attention_mask"])
        assert x["masked_lm_positions"][real].min() > 0  # 0 says that there is nothing
    assert shown / total == pytest.approx(0.85, abs=0.02)


@pytest.mark.parametrize("masking", ["token", "eojeol", "morpheme"])
@pytest.mark.parametrize(
    "objective", ["pretraining", "masked-lm", "causal", "replaced-token-detection"]
)
def test_the_hosts_rows_together_are_the_batch(made, sources, objective, masking):
    settings = {
        **SETTINGS,
        "batch_size": 12,
        "steps": 50,
        "objective": objective,
        "masking": masking,
    }
    whole = PretrainingBatches(sources, made[1], **settings)
    for num_hosts in (2, 3):
        hosts = [
            PretrainingBatches(sources, made[1], **settings, num_hosts=num_hosts, host=host)
            for host in range(num_hosts)
        ]
        for step in (0, 49):
            parts = [leaves(host[step]) for host in hosts]
            for name, array in leaves(whole[step]).items():
                together = np.concatenate([part[name] for part in parts])
                np.testing.assert_array_equal(together, array, err_msg=name)
                assert len(parts[0][name]) == 12 // num_hosts


@pytest.mark.parametrize(
    "objective", ["pretraining", "masked-lm", "causal", "replaced-token-detection"]
)
def test_a_mixture_can_be_resumed_anywhere(made, sources, objective):
    settings = {**SETTINGS, "batch_size": 10, "objective": objective}
    whole = PretrainingBatches(sources, made[1], **settings, steps=200)
    passed = [whole[step] for step in range(200)]
    later = PretrainingBatches(sources, made[1], **settings, steps=3, first_step=197)
    for index in range(3):
        same(later[index], passed[197 + index])
    later.first_step, later.steps = 20, 2  # as between two calls of `fit`
    same(later[1], passed[21])
    assert len(later) == 2


@pytest.mark.parametrize(("masking", "bit"), [("eojeol", EOJEOL), ("morpheme", MORPHEME)])
def test_words_are_masked_whole(made, masking, bit):
    """In shards whose ids tell their place, so that a row's words can be looked up."""
    tokenizer = made[1]
    size = 40
    ids = np.arange(5, 5 + size, dtype=np.uint16)
    marks = np.tile(np.array([3, 0, 2, 3, 2, 0, 3, 2, 2, 3], np.uint8), 4)  # of a sentence of ten
    shard = Shard(ids, np.arange(0, size + 1, 10), np.array([0, 2, 4]), marks)
    word = np.cumsum((marks & bit) > 0)  # of each token
    batches = PretrainingBatches(shard, tokenizer, **SETTINGS, steps=60, masking=masking)
    whole_words = total = 0
    for x, y, weights in (batches[i] for i in range(60)):
        before = unmasked(x, y["mlm"], weights["mlm"])
        for row, positions, real in zip(
            before, x["masked_lm_positions"], weights["mlm"] > 0, strict=True
        ):
            masked = set(positions[real].tolist())
            for place in masked:
                mine = word[row[place] - 5]
                for neighbour in (place - 1, place + 1):
                    is_text = row[neighbour] >= 5
                    if is_text and word[row[neighbour] - 5] == mine:
                        total += 1
                        whole_words += neighbour in masked
    assert total > 100 and whole_words == total


def test_words_cannot_be_masked_without_marks(made, sources):
    for masking in ("eojeol", "morpheme"):
        with pytest.raises(KbertError, match=f"no marks of where {masking}s begin"):
            PretrainingBatches(*made, **SETTINGS, masking=masking)
    eojeols = encode_documents(documents(), made[1], eojeols=True)  # and no morphemes
    assert len(PretrainingBatches(eojeols, made[1], **SETTINGS, masking="eojeol")[0]) == 3
    with pytest.raises(KbertError, match="morphemes begin"):
        PretrainingBatches(eojeols, made[1], **SETTINGS, masking="morpheme")


def test_causal_rows_by_hand():
    tokenizer = Tokenizer(WORDS)
    shard = encode_documents([["w0 w1"], ["w2"]], tokenizer)
    batches = PretrainingBatches(
        shard,
        tokenizer,
        sequence_length=7,
        batch_size=1,
        seed=0,
        objective="causal",
        packing="sentences",
    )
    x, y, weights = batches[0]
    cls, sep, pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
    assert x["input_ids"].tolist() == [[cls, 5, 6, sep, 7, sep, pad]]
    assert y.tolist() == [[5, 6, sep, 7, sep, 0, 0]]
    assert weights.tolist() == [[1, 1, 1, 1, 1, 0, 0]]
    assert x["attention_mask"].tolist() == [
        [
            [1, 0, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0, 0],
            [1, 1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 0],
        ]
    ]
    assert "masked_lm_positions" not in x


def test_rates_are_settings(made):
    every = PretrainingBatches(
        *made, **SETTINGS, mask_rate=1, mask_share=1, random_share=0, short_rate=1
    )
    x, y, weights = every[0]
    assert set(x["input_ids"].ravel().tolist()) == set(made[1].special_ids) - {made[1].unk_id}
    assert y["mlm"].shape == (4, 24) and weights["mlm"].sum() > 0


def test_arguments_that_cannot_be(made):
    for change, message in (
        ({"num_hosts": 3}, "must divide batch_size"),
        ({"num_hosts": 2, "host": 2}, "host be from 0"),
        ({"num_hosts": 0}, "must divide batch_size"),
        ({"short_rate": 1.5}, "short_rate is a share"),
        ({"sequence_length": 4}, "5 at the least"),
        ({"sequence_length": 2, "objective": "masked-lm"}, "3 at the least"),
        ({"objective": "mlm"}, "not 'mlm'"),
        ({"masking": "word"}, "masking is one of token, eojeol, morpheme, not 'word'"),
        ({"packing": "full"}, "packing is one of tokens, sentences, documents, not 'full'"),
        ({"mask_rate": 2}, "rates must be"),
    ):
        with pytest.raises(KbertError, match=message):
            PretrainingBatches(*made, **{**SETTINGS, **change})[0]
    for sources in ([], [Source([made[0]], weight=0)], [Source([made[0]], weight=float("nan"))]):
        with pytest.raises(KbertError, match="weights must be above 0"):
            PretrainingBatches(sources, made[1], **SETTINGS, objective="masked-lm")
    with pytest.raises(KbertError, match="comments is empty"):
        PretrainingBatches([Source([], name="comments")], made[1], **SETTINGS)


def test_a_wrong_id_deep_in_a_shard_is_found_when_it_is_used(made):
    ids = np.full(70_000, 5, np.uint16)
    ids[-1] = 60_000
    shard = Shard(ids, np.arange(0, 70_001, 10), np.arange(0, 7_001, 700))
    batches = PretrainingBatches(shard, made[1], **{**SETTINGS, "batch_size": 500})
    with pytest.raises(KbertError, match="holds id 60000"):
        for step in range(len(batches)):
            batches[step]


def test_shards_mapped_from_disk_give_the_same(made, tmp_path):
    shard, tokenizer = marked(made[0]), made[1]
    columns = {}
    for name in ("ids", "sentence_starts", "document_starts", "marks"):
        np.save(tmp_path / f"{name}.npy", getattr(shard, name))
        columns[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    settings = {**SETTINGS, "masking": "morpheme"}
    mapped = PretrainingBatches(Shard(**columns), tokenizer, **settings)
    in_memory = PretrainingBatches(shard, tokenizer, **settings)
    assert len(mapped) == len(in_memory) > 1
    for step in range(len(mapped)):
        same(mapped[step], in_memory[step])


@pytest.mark.real_data
def test_words_keep_the_rate_over_real_text(real_data):
    tokenizer = Tokenizer.from_file(real_data / "vocabs" / "klue-bert-base.vocab.txt")
    text = read_documents([real_data / "heldout" / "kowiki.txt"])
    shard = encode_documents(text, tokenizer, eojeols=True)
    shares = {}
    for masking in ("token", "eojeol"):
        batches = PretrainingBatches(
            shard,
            tokenizer,
            sequence_length=128,
            batch_size=64,
            seed=0,
            objective="masked-lm",
            masking=masking,
        )
        masked = ordinary = 0
        for x, y, weights in (batches[step] for step in range(len(batches))):
            masked += weights.sum()
            ordinary += (~np.isin(unmasked(x, y, weights), tokenizer.special_ids)).sum()
        shares[masking] = masked / ordinary
    # 15% of a row of 126 is 18.9, which rounds to 19: 15.08%.
    assert shares["token"] == pytest.approx(19 / 126, abs=2e-3)
    assert shares["eojeol"] == pytest.approx(shares["token"], abs=5e-4)
