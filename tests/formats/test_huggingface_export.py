import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.catalog import BY_TASK
from kbert.formats.huggingface.export import model_card
from kbert.models import TASKS
from kbert.models.base import KbertModel
from tests.formats.checkpoints import (
    batch,
    make_reference,
    torch,
    transformers,
    write_checkpoint,
)


def outputs(model, inputs):
    """What a kbert or transformers model gives, as arrays by kbert's names."""
    if not isinstance(model, KbertModel):
        with torch.no_grad():
            got = model(**{name: torch.tensor(a, dtype=torch.long) for name, a in inputs.items()})
        names = {
            "prediction_logits": "mlm",
            "seq_relationship_logits": "nsp",
            "sop_logits": "nsp",
            "start_logits": "start",
            "end_logits": "end",
        }
        return {names.get(name, name): tensor.numpy() for name, tensor in got.items()}
    got = model(inputs)
    got = got if isinstance(got, dict) else {"logits": got}
    return {name: ops.convert_to_numpy(tensor) for name, tensor in got.items()}


def assert_same_outputs(ours, theirs, inputs):
    one, two = outputs(ours, inputs), outputs(theirs, inputs)
    assert set(one) == set(two)
    mask = inputs["attention_mask"].astype(bool)
    for name in one:
        a, b = one[name], two[name]
        if a.shape[:2] == mask.shape:
            a, b = a[mask], b[mask]
        np.testing.assert_allclose(a, b, atol=1e-4)
        assert np.abs(a - b).mean() < 1e-5


OF_ROWS = [
    task
    for task in TASKS
    if TASKS[task].input_axes == ("batch", "length") and BY_TASK[task].suffix is not None
]


@pytest.mark.parametrize("task", OF_ROWS)
def test_a_model_of_ours_in_transformers_and_back(task, small, tokenizer, inputs, tmp_path):
    labels = {"labels": ["가", "나", "다"]} if BY_TASK[task].takes_labels else {}
    model = TASKS[task](**small, **labels)
    model.tokenizer = tokenizer
    kbert.export_huggingface(model, tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    reference, info = getattr(transformers, config.architectures[0]).from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(info.values()), info
    del inputs["masked_lm_positions"]
    assert_same_outputs(model, reference.eval(), inputs)
    if labels:
        assert list(reference.config.id2label.values()) == labels["labels"]
    text = "국회 국민"
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(text)["input_ids"] == tokenizer(text)["input_ids"][0].tolist()

    again = kbert.load(tmp_path)
    assert again.task == task and again.load_report == ((), (), ())
    for one, two in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one.value), ops.convert_to_numpy(two.value)
        )
    ours, theirs = model.get_config(), again.get_config()
    assert {n for n in ours if ours[n] != theirs[n]} <= {"seed", "name"}
    assert again.tokenizer.vocabulary == tokenizer.vocabulary


@pytest.mark.parametrize(
    ("family", "ending"),
    [
        ("roberta", "Model"),
        ("roberta", "ForMaskedLM"),
        ("roberta", "ForSequenceClassification"),
        ("xlm-roberta", "ForTokenClassification"),
        ("distilbert", "Model"),
        ("distilbert", "ForMaskedLM"),
        ("distilbert", "ForSequenceClassification"),
        ("distilbert", "ForQuestionAnswering"),
        ("electra", "Model"),
        ("electra", "ForPreTraining"),
        ("electra", "ForMaskedLM"),
        ("electra", "ForSequenceClassification"),
        ("electra", "ForTokenClassification"),
        ("albert", "Model"),
        ("albert", "ForPreTraining"),
        ("albert", "ForMaskedLM"),
        ("albert", "ForSequenceClassification"),
        ("albert", "ForTokenClassification"),
        ("albert", "ForQuestionAnswering"),
        ("deberta-v2", "Model"),
        ("deberta-v2", "ForMaskedLM"),
        ("deberta-v2", "ForSequenceClassification"),
        ("deberta-v2", "ForTokenClassification"),
        ("deberta-v2", "ForQuestionAnswering"),
        ("longformer", "Model"),
        ("longformer", "ForMaskedLM"),
        ("longformer", "ForSequenceClassification"),
        ("longformer", "ForTokenClassification"),
        ("modernbert", "Model"),
        ("modernbert", "ForMaskedLM"),
        ("modernbert", "ForSequenceClassification"),
        ("modernbert", "ForTokenClassification"),
        ("modernbert", "ForQuestionAnswering"),
        ("mobilebert", "Model"),
        ("mobilebert", "ForPreTraining"),
        ("mobilebert", "ForMaskedLM"),
        ("mobilebert", "ForSequenceClassification"),
        ("mobilebert", "ForTokenClassification"),
        ("mobilebert", "ForQuestionAnswering"),
        ("big_bird", "ForPreTraining"),
        ("big_bird", "ForSequenceClassification"),
    ],
)
def test_a_checkpoint_comes_back_as_it_was(family, ending, tmp_path):
    reference = make_reference(family, ending)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    kbert.export_huggingface(model, tmp_path / "out", model_type=family)
    again, info = type(reference).from_pretrained(tmp_path / "out", output_loading_info=True)
    # transformers' BigBird has a pooler for classification, and does not use it.
    needless = {"bert.pooler.weight", "bert.pooler.bias"} if family == "big_bird" else set()
    assert info.pop("missing_keys") <= needless and not any(info.values()), info
    before, after = reference.state_dict(), again.state_dict()
    assert set(before) == set(after)
    for name in set(before) - (needless if ending == "ForSequenceClassification" else set()):
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=0)
    assert_same_outputs(model, again.eval(), batch(family))


def test_the_family_that_is_chosen(tmp_path):
    chosen = {}
    for family, ending in (
        ("xlm-roberta", "ForMaskedLM"),
        ("distilbert", "ForMaskedLM"),
        ("electra", "Model"),
        ("electra", "ForSequenceClassification"),
        ("albert", "ForMaskedLM"),
        ("big_bird", "ForSequenceClassification"),
        ("big_bird", "ForMaskedLM"),
    ):
        model = kbert.load(write_checkpoint(make_reference(family, ending), tmp_path / "in"))
        kbert.export_huggingface(model, tmp_path / "out")
        config = json.loads((tmp_path / "out" / "config.json").read_text())
        chosen[family, ending] = config["architectures"][0]
    assert list(chosen.values()) == [
        "RobertaForMaskedLM",
        "DistilBertForMaskedLM",
        "ElectraModel",
        "ElectraForSequenceClassification",
        "AlbertForMaskedLM",
        "BigBirdForSequenceClassification",
        "BertForMaskedLM",  # the plainest that computes the same, with BigBird's activation
    ]


@pytest.mark.parametrize(
    ("family", "name", "own"),
    [
        ("albert", "classifier_dropout_prob", {"num_hidden_groups": 1}),
        ("modernbert", "classifier_dropout", {"architecture": "modernbert"}),
    ],
)
def test_a_label_head_without_a_dropout_of_its_own(family, name, own, small, tokenizer, tmp_path):
    """These families' configs take no None: the number is the encoder's."""
    model = kbert.BertForSequenceClassification(labels=["가", "나"], **small, **own)
    model.tokenizer = tokenizer
    kbert.export_huggingface(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())[name] == 0.2
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert_same_outputs(model, again.eval(), batch(family))
    assert family == "albert" or again.config.cls_token_id == tokenizer.cls_id


def test_an_untied_decoder_goes_out_and_comes_back(tmp_path):
    reference = make_reference("roberta", "ForMaskedLM", tie_word_embeddings=False)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    kbert.export_huggingface(model, tmp_path / "out")
    again = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval()
    assert_same_outputs(model, again, batch("roberta"))


def test_a_family_that_cannot_express_a_model(small, tokenizer, tmp_path):
    model = kbert.BertForPreTraining(**small)
    with pytest.raises(KbertError, match="has no vocabulary"):
        kbert.export_huggingface(model, tmp_path)
    model.tokenizer = tokenizer
    for family, message in (
        ("gpt2", "model_type is one of albert, bert, big_bird"),
        ("electra", "the family has no head for 'pretraining'"),
        ("albert", "num_hidden_groups would be 1, and the model's is None"),
        ("modernbert", "the model's encoder is a Bert, and the family's is another"),
        ("big_bird", None),
    ):
        if message is None:
            kbert.export_huggingface(model, tmp_path, model_type=family)
            continue
        with pytest.raises(KbertError, match=message):
            kbert.export_huggingface(model, tmp_path, model_type=family)
    with pytest.raises(KbertError, match="attention_window would be None, and the model's is 4"):
        kbert.export_huggingface(model.with_settings(attention_window=4), tmp_path)
    labelled = kbert.BertForSequenceClassification(labels=["가", "나"], **small)
    labelled.tokenizer = tokenizer
    with pytest.raises(KbertError, match="pooler_activation would be 'gelu', and the model's is"):
        kbert.export_huggingface(labelled, tmp_path, model_type="electra")
    with pytest.raises(KbertError, match="position_offset would be"):
        kbert.export_huggingface(labelled, tmp_path, model_type="roberta")


def test_the_model_card(small, tokenizer, tmp_path):
    model = kbert.BertForSequenceClassification(labels=["부정", "긍정"], **small)
    model.tokenizer = tokenizer
    kbert.export_huggingface(model, tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: ko\npipeline_tag: text-classification\n")
    assert "Labels: 부정, 긍정." in card and 'task="sequence-classification"' in card
    assert "AutoModelForSequenceClassification.from_pretrained" in card
    assert "Say here what it was trained on" in card and "base_model" not in card
    model.base_model = "klue/bert-base"
    assert "\nbase_model: klue/bert-base\n---\n" in model_card(model)


def test_uploading(small, tokenizer, monkeypatch):
    model = kbert.BertForMaskedLM(**small)
    model.tokenizer = tokenizer
    calls = []

    class Api:
        def create_repo(self, name, **settings):
            calls.append((name, settings))

        def upload_folder(self, repo_id, folder_path, commit_message):
            calls.append((repo_id, kbert.load(folder_path).count_params()))

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    files = kbert.push_to_hub(model, "me/my-bert", dry_run=True)
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert files["model.safetensors"] > 4 * model.count_params() and not calls
    assert kbert.push_to_hub(model, "me/my-bert", private=True) == files
    settings = {"private": True, "exist_ok": True}
    assert calls == [("me/my-bert", settings), ("me/my-bert", model.count_params())]
    with pytest.raises(KbertError, match="like me/my-bert, not 'bert'"):
        kbert.push_to_hub(model, "bert")


@pytest.mark.parametrize("task", ["encoder", "sequence-classification"])
def test_without_segments_as_a_family_that_has_them(task, small, tokenizer, inputs, tmp_path):
    """BERT's and Longformer's classes add a segment in any case: it is zeros."""
    labels = {"labels": ["가", "나"]} if BY_TASK[task].takes_labels else {}
    model = TASKS[task](**{**small, **labels, "type_vocab_size": 0})
    model.tokenizer = tokenizer
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    longer = kbert.lengthen(model, 24, attention_window=4)
    for name, each, settings in (
        ("bert", model, {"model_type": "bert"}),
        ("longformer", longer, {}),
    ):
        kbert.export_huggingface(each, tmp_path / name, **settings)
        config = transformers.AutoConfig.from_pretrained(tmp_path / name)
        assert config.model_type == name
        reference, info = getattr(transformers, config.architectures[0]).from_pretrained(
            tmp_path / name, output_loading_info=True
        )
        assert not any(info.values()), info
        assert_same_outputs(each, reference.eval(), given)
        again = kbert.load(tmp_path / name)
        assert_same_outputs(each, again, given)


def test_an_image_is_of_the_second_segment(small, tokenizer, tmp_path):
    model = kbert.Bert(**{**small, "type_vocab_size": 1, "extra_size": 3})
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="of the second segment, and the model's type_vocab_size"):
        kbert.export_huggingface(model, tmp_path)


@pytest.mark.parametrize(
    "own",
    [{"position_offset": 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}, {"embedding_size": 8}],
)
def test_a_words_head_that_bends_by_gelu_there(own, small, tokenizer, tmp_path):
    """RoBERTa's and ELECTRA's, whatever `hidden_act` is; so a relu is no such model's."""
    model = kbert.BertForMaskedLM(**{**small, **own, "hidden_act": "relu"})
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="hidden_act is 'relu', and the family's head for words"):
        kbert.export_huggingface(model, tmp_path)
    kbert.export_huggingface(model.bert, tmp_path)
    assert kbert.load(tmp_path).get_config()["hidden_act"] == "relu"
    with pytest.raises(KbertError, match="the family's head for words has gelu in any case"):
        kbert.load(tmp_path, "masked-lm")
