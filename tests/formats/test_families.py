"""What a family's file says: its config in both directions, its names, which models are its own."""

import pytest

from kbert import KbertError
from kbert.catalog import BY_TASK
from kbert.formats.families import FAMILIES, family_for
from kbert.formats.huggingface.config import (
    encoder_arguments,
    head_arguments,
    label_names,
    saved_task,
)

SIZES = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size".split()


# What a config must say: transformers' own default is another model, which kbert does not have.
SAID = {
    "deberta-v2": {
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
    }
}


def arguments(config, task="encoder"):
    return encoder_arguments(config, FAMILIES[config["model_type"]], task)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_what_a_config_leaves_out_is_as_in_transformers(model_type):
    """Each key alone, and all at once: another default would be another model."""
    transformers = pytest.importorskip("transformers")
    family = FAMILIES[model_type]
    whole = getattr(transformers, f"{family.classes}Config")().to_dict() | SAID.get(model_type, {})
    expected = arguments(whole)
    sizes = {"model_type"} | {theirs for theirs, default in family.settings.values() if not default}
    sizes |= {*SAID.get(model_type, {})}
    for name in {*whole} - sizes:
        assert arguments({k: v for k, v in whole.items() if k != name}) == expected, name
    assert arguments({name: whole[name] for name in sizes}) == expected


def test_electras_tables_are_128_wide_where_a_config_is_silent():
    config = {"model_type": "electra", **dict.fromkeys(SIZES, 256)}
    assert arguments(config)["embedding_size"] == 128


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"is_decoder": True}, "is_decoder is True; kbert's Bert has only False"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"rescale_embeddings": True}, "rescale_embeddings"),
        ({"use_bias": False}, "use_bias"),
        ({"hidden_act": []}, r"the activation is \[\]"),
        ({"hidden_size": None}, "has no hidden_size"),
    ],
)
def test_what_no_bert_has(setting, message):
    config = {"model_type": "bert", **dict.fromkeys(SIZES, 4), **setting}
    with pytest.raises(KbertError, match=message):
        arguments(config)


@pytest.mark.parametrize("pad", [-1, True, "1", 1.0])
def test_an_offset_is_counted_from_an_id(pad):
    config = {"model_type": "roberta", **dict.fromkeys(SIZES, 4), "pad_token_id": pad}
    with pytest.raises(KbertError, match="pad_token_id is a whole number from 0"):
        arguments(config)


def test_labels_are_in_the_order_of_their_ids():
    names = {str(index): f"이름{index}" for index in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)}
    assert label_names({"id2label": names}) == [f"이름{index}" for index in range(11)]
    assert label_names({"num_labels": 3}) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert len(label_names({"num_labels": 10_000})) == 10_000
    for bad in ({"num_labels": 10_001}, {"num_labels": True}, {"id2label": {"1": "a"}}):
        with pytest.raises(KbertError, match=r"num_labels is|id2label maps"):
            label_names(bad)


@pytest.mark.parametrize(
    ("architectures", "task"),
    [
        (["BertForMaskedLM"], "masked-lm"),
        (["BertModel"], "encoder"),
        (["ElectraForMaskedLM"], "encoder"),  # another family's
        (["BertNone"], "encoder"),
        ([], "encoder"),
        (None, "encoder"),
        (5, "encoder"),
        ([5], "encoder"),
        ("BertForMaskedLM", "encoder"),
        ({}, "encoder"),
    ],
)
def test_the_task_that_a_config_names(architectures, task):
    assert saved_task({"architectures": architectures}, FAMILIES["bert"]) == task


@pytest.mark.parametrize(
    ("config", "asked", "expected"),
    [
        ({}, None, "single_label_classification"),
        ({"num_labels": 1}, None, "regression"),
        ({"problem_type": None}, None, "single_label_classification"),
        ({"problem_type": "regression"}, None, "regression"),
        (
            {"problem_type": "regression"},
            "multi_label_classification",
            "multi_label_classification",
        ),
    ],
)
def test_what_labels_mean(config, asked, expected):
    found = head_arguments(config, FAMILIES["bert"], "sequence-classification", None, asked)
    assert found["problem_type"] == expected


@pytest.mark.parametrize("model_type", FAMILIES)
def test_heads_are_of_tasks_that_there_are(model_type):
    assert set(FAMILIES[model_type].heads) <= set(BY_TASK)


@pytest.mark.parametrize(
    ("changes", "task", "model_type"),
    [
        ({}, "pretraining", "bert"),
        ({"position_offset": 2}, "masked-lm", "roberta"),
        ({"type_vocab_size": 0}, "masked-lm", "distilbert"),
        ({"embedding_size": 8}, "masked-lm", "electra"),
        ({"pooler_activation": "gelu"}, "sequence-classification", "electra"),
        ({"pooler_activation": "gelu_new"}, "sequence-classification", "big_bird"),
        ({"add_pooling_layer": False}, "encoder", "electra"),
        ({"add_pooling_layer": False, "pooler_activation": "gelu"}, "masked-lm", "bert"),
        ({"add_pooling_layer": False, "pooler_activation": "gelu_new"}, "masked-lm", "bert"),
        ({"num_hidden_groups": 1, "embedding_size": 8}, "masked-lm", "albert"),
        ({"position_offset": 2, "global_attention": True}, "masked-lm", "longformer"),
    ],
)
def test_whose_a_model_is(changes, task, model_type):
    plain = {
        "position_offset": 0,
        "type_vocab_size": 2,
        "embedding_size": 16,
        "hidden_size": 16,
        "add_pooling_layer": True,
        "pooler_activation": "tanh",
    }
    assert family_for("bert", plain | changes, task).model_type == model_type
