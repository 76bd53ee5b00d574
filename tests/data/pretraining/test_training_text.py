import shutil

import pytest

from kbert import KbertError, Tokenizer
from kbert.data.corpus.corpus import read_documents
from kbert.data.pretraining.training_text import text_of_corpus, text_of_shards
from kbert.data.shards.shard_builder import build_shards
from kbert.data.shards.workers import local

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##는 예산안 ##을 의결 ##한다 .".split()
DOCUMENTS = [["국회는 예산안을 의결한다.", "예산안을 국회는 의결한다."], ["국회는 의결한다."]]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "말뭉치.txt"
    path.write_text("\n\n".join("\n".join(each) for each in DOCUMENTS), encoding="utf-8")
    return path


@pytest.fixture
def folder(corpus):
    with local(1) as run:
        build_shards([corpus], Tokenizer(WORDS), corpus.parent / "글", run, characters=20)
    return str(corpus.parent / "글")


def test_a_corpus_is_one_source_of_one_shard(corpus):
    text = text_of_corpus([corpus], Tokenizer(WORDS), eojeols=True)
    assert text.sample == DOCUMENTS == list(read_documents([corpus]))
    (source,), (shard,) = text.sources, text.shards
    assert (source.weight, source.next_sentence, list(source.shards)) == (1.0, True, [shard])
    assert [text.tokenizer.token(i) for i in shard.ids.tolist()][:7] == WORDS[5:]
    assert shard.marks is not None and shard.marks.tolist()[:7] == [1, 0, 1, 0, 1, 0, 0]
    assert str(text) == "2 documents, 3 sentences, 19 tokens, a vocabulary of 12"


def test_without_a_tokenizer_one_is_trained_on_the_text(corpus):
    text = text_of_corpus([corpus], vocab_size=24)
    trained = Tokenizer.train([*DOCUMENTS[0], *DOCUMENTS[1]], 24)
    assert text.tokenizer.vocabulary == trained.vocabulary
    assert len(text.tokenizer) == 24 and text.tokenizer.unk_id not in text.shards[0].ids


def test_without_paths_it_is_the_default_corpus():
    pytest.importorskip("konlpy")
    text = text_of_corpus(None, Tokenizer(WORDS))
    assert text.shards[0].num_documents == len(text.sample) == 11


def test_no_text_is_an_error(tmp_path):
    (tmp_path / "leer.txt").write_text("\n \n")
    with pytest.raises(KbertError, match=r"the corpus is empty: .*leer\.txt"):
        text_of_corpus([tmp_path / "leer.txt"])


def test_equal_texts_have_equal_fingerprints(corpus, folder):
    tokenizer = Tokenizer(WORDS)
    shutil.copytree(folder, corpus.parent / "copy")
    other = corpus.with_name("other.txt")
    other.write_text(corpus.read_text("utf-8").replace("\n\n", "\n"), encoding="utf-8")
    in_memory, joined = (text_of_corpus([path], tokenizer) for path in (corpus, other))
    mapped, copied = (text_of_shards([path]) for path in (folder, str(corpus.parent / "copy")))
    twice = text_of_shards([folder, folder])
    assert mapped.fingerprint == copied.fingerprint
    assert in_memory.fingerprint == text_of_corpus([corpus], tokenizer).fingerprint
    every = {text.fingerprint for text in (in_memory, joined, mapped, twice)}
    assert len(every) == 4


def test_folders_of_shards_are_sources(corpus, folder):
    comments = str(shutil.copytree(folder, corpus.parent / "댓글"))
    text = text_of_shards([folder, comments], weights=[1, 2], unpaired=[comments])
    assert [source.name for source in text.sources] == [folder, comments]
    assert [source.weight for source in text.sources] == [1, 2]
    assert [source.next_sentence for source in text.sources] == [True, False]
    assert len(text.shards) == 4  # of 20 characters: two in each folder
    assert text.tokenizer.vocabulary == WORDS
    assert text.sample == DOCUMENTS[:1]  # those of the first shard, as text again
    assert [source.weight for source in text_of_shards([folder]).sources] == [1.0]


def test_weights_folders_and_tokenizers_that_do_not_fit(folder):
    for options, message in (
        ({"weights": [1, 2]}, "1 folder of shards, 2 weights"),
        ({"unpaired": ["elsewhere"]}, r"unpaired \['elsewhere'\]"),
    ):
        with pytest.raises(KbertError, match=message):
            text_of_shards([folder], **options)
    with pytest.raises(KbertError, match=r"vocabulary of 12 tokens .*not with this one of 13"):
        text_of_shards([folder], Tokenizer([*WORDS, "새"]))
