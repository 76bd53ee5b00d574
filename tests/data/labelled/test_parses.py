import keras
import numpy as np
import pytest

from kbert import BertForDependencyParsing, KbertError, Tokenizer, read_task
from kbert.data.labelled.batches import LabelledBatches
from kbert.data.labelled.examples import Examples, Origin
from kbert.pipelines.spanning_tree import spanning_tree
from kbert.training.losses import objective

LABELS = ["NP_SBJ", "NP_OBJ", "VP"]


@pytest.fixture
def model(small, tokenizer):
    model = BertForDependencyParsing(
        labels=LABELS, arc_size=6, relation_size=5, **{**small, "max_position_embeddings": 40}
    )
    model.tokenizer = tokenizer
    return model


def parses(texts, labels, **settings):
    return Examples("dependency-parsing", texts, labels=labels, label_names=LABELS, **settings)


TEXT = "국회는 법률을 의결한다."  # 국회 ##는 | 법률 ##을 | 의결 ##한다 .
LABEL = [(3, "NP_SBJ", "NNG+JX"), (3, "NP_OBJ", "NNG+JKO"), (0, "VP", "NNG+XSV+EF+SF")]


def test_words_with_their_places_heads_and_relations(model):
    x, y, weights = LabelledBatches(parses([TEXT], [LABEL]), model, batch_size=2)[0]
    row = model.tokenizer(TEXT, pad_to_length=16)
    for name in row:
        assert (x[name][0] == row[name][0]).all()
    assert set(x) == {*row, "first_pieces", "last_pieces", "words", "heads"}
    assert x["first_pieces"].shape == (2, 16)
    assert x["first_pieces"][0, :4].tolist() == [1, 3, 5, 0]
    assert x["last_pieces"][0, :4].tolist() == [2, 4, 7, 0]
    assert x["words"][0, :4].tolist() == [1, 1, 1, 0]
    assert x["heads"][0, :4].tolist() == y["heads"][0, :4].tolist() == [3, 3, 0, 0]
    assert y["relations"][0, :4].tolist() == [0, 1, 2, 0]
    for counted in weights.values():
        assert counted[0, :4].tolist() == [1, 1, 1, 0]
        assert not counted[1].any()  # the row that fills the batch up
    assert set(weights) == set(y) == {"heads", "relations"}


def test_what_is_cut_off_does_not_count_as_word_or_as_head(model):
    # [CLS], 6 pieces, [SEP]: of 의결한다. the full stop is cut, of the last words all.
    text = f"{TEXT} 나는 너를"
    label = [(3, *LABEL[0][1:]), (4, *LABEL[1][1:]), (0, "VP", ""), (3, "VP", ""), (3, "VP", "")]
    batches = LabelledBatches(parses([text], [label]), model, batch_size=1, max_length=8)
    x, _, weights = batches[0]
    assert x["input_ids"].shape == (1, 8)
    assert x["first_pieces"][0, :5].tolist() == [1, 3, 5, 7, 7]
    assert x["last_pieces"][0, :5].tolist() == [2, 4, 6, 7, 7]
    assert weights["heads"][0, :5].tolist() == [1, 0, 1, 0, 0]


def test_shapes_are_a_handful_and_every_backend_trains_on_them(model):
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for size in rng.integers(1, 14, 40).tolist():
        texts.append(" ".join(rng.choice(["국회는", "법률을", "나"], size)))
        labels.append([(i + 1 if i < size else 0, "VP", "") for i in range(1, size + 1)])
    batches = LabelledBatches(parses(texts, labels), model, batch_size=4, epochs=2, seed=1)
    shapes = {
        (x["input_ids"].shape[1], x["words"].shape[1])
        for x, _, _ in (batches[step] for step in range(len(batches)))
    }
    assert len(shapes) == len({length for length, _ in shapes}) > 1  # W makes none of its own
    words = sum(
        int(weights["heads"].sum()) for _, _, weights in (batches[step] for step in range(10))
    )
    assert words == sum(map(len, labels))  # each once an epoch

    arguments = objective(model)
    model.compile(keras.optimizers.Adam(3e-3), **arguments)
    losses = [model.fit(batches, shuffle=False, verbose=0).history["loss"][0] for _ in range(2)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABEL[:2], r"klue.tsv, row 7: 3 words between spaces, and labels for 2"),
        ([*LABEL[:2], (4, "VP", "")], "klue.tsv, row 7: the head 4 is none of 3 words"),
        ([*LABEL[:2], (-1, "VP", "")], "the head -1"),
        ([*LABEL[:2], (0, "AP", "")], "the relation 'AP' is none of"),
    ],
)
def test_labels_that_cannot_be(model, labels, message):
    examples = parses([TEXT], [labels], origins=[Origin("klue.tsv", 7)])
    with pytest.raises(KbertError, match=message):
        LabelledBatches(examples, model)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [("klue-dp", "klue", 22_496), ("ud-kaist-parsing", "ud_kaist", 25_278)],
)
def test_every_word_of_the_official_sets_counts_and_gold_trees_are_found(
    real_data, small, name, folder, words
):
    examples = read_task(name, real_data / "finetune" / folder, "dev")
    tokenizer = Tokenizer.from_file(real_data / "vocabs/klue-bert-base.vocab.txt")
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 512}
    model = BertForDependencyParsing(
        labels=examples.label_names, arc_size=2, relation_size=2, **{**small, **sizes}
    )
    model.tokenizer = tokenizer
    batches = LabelledBatches(examples, model, batch_size=64)
    counted = [batches[step][2]["relations"] for step in range(len(batches))]
    assert sum(weights.sum() for weights in counted) == words
    assert examples.labels is not None
    for sentence in examples.labels:
        heads = [word[0] for word in sentence]
        scores = np.eye(len(heads) + 1)[heads]  # (W, W + 1)
        assert spanning_tree(scores).tolist() == heads
