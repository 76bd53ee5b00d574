import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from tests.formats.checkpoints import (
    batch,
    make_reference,
    torch,
    transformers,
    write_checkpoint,
)


def number(tensor):
    return ops.convert_to_numpy(tensor)


def expected_outputs(reference, inputs):
    with torch.no_grad():
        return reference(
            **{name: torch.tensor(array, dtype=torch.long) for name, array in inputs.items()},
            output_hidden_states=True,
            output_attentions=True,
        )


def assert_close(ours, theirs, mask=None):
    """Equal to 1e-4, and to 1e-5 in the mean, at tokens; what stands at padding means nothing."""
    ours, theirs = number(ours), theirs.numpy()
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    if mask is not None:
        difference = difference[mask.astype(bool)]
    assert difference.max() < 1e-4 and difference.mean() < 1e-5
    assert np.abs(theirs).max() > 0.01


FAMILY_TASKS = [
    (family, task)
    for family, tasks in {
        "bert": "Model PreTraining MaskedLM NextSentencePrediction SequenceClassification "
        "TokenClassification QuestionAnswering",
        "roberta": "Model MaskedLM SequenceClassification TokenClassification QuestionAnswering",
        "xlm-roberta": "MaskedLM SequenceClassification",
        "distilbert": "Model MaskedLM SequenceClassification TokenClassification QuestionAnswering",
        "electra": "Model PreTraining MaskedLM SequenceClassification TokenClassification "
        "QuestionAnswering",
        "albert": "Model PreTraining MaskedLM SequenceClassification TokenClassification "
        "QuestionAnswering",
        "modernbert": "Model MaskedLM SequenceClassification TokenClassification QuestionAnswering",
        "deberta-v2": "Model MaskedLM SequenceClassification TokenClassification QuestionAnswering",
        "mobilebert": "Model PreTraining MaskedLM NextSentencePrediction SequenceClassification "
        "TokenClassification QuestionAnswering",
        "big_bird": "Model PreTraining MaskedLM SequenceClassification TokenClassification",
    }.items()
    for task in tasks.split()
]


@pytest.mark.parametrize(("family", "task"), FAMILY_TASKS)
def test_same_numbers_as_transformers(family, task, tmp_path, caplog):
    ending = task if task == "Model" else f"For{task}"
    reference = make_reference(family, ending)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    has_needless_pooler = family == "big_bird" and task not in ("Model", "PreTraining")
    left = ("pooler.bias", "pooler.weight") if has_needless_pooler else ()
    assert model.load_report == ((), left, ())
    assert not [record for record in caplog.records if record.name == "kbert"]
    inputs = batch(family)
    mask = inputs["attention_mask"]
    expected = expected_outputs(reference, inputs)

    encoder = model if task == "Model" else model.bert
    details = encoder(inputs, output_hidden_states=True, output_attentions=True)
    for ours, theirs in zip(details["hidden_states"], expected.hidden_states, strict=True):
        assert_close(ours, theirs, mask)
    for ours, theirs in zip(details["attentions"], expected.attentions, strict=True):
        assert_close(ops.transpose(ours, (0, 2, 1, 3)), theirs.transpose(1, 2), mask)

    got = model(inputs)
    if task == "Model":
        assert_close(got["last_hidden_state"], expected.last_hidden_state, mask)
        no_pooler = ("distilbert", "electra", "modernbert", "deberta-v2")
        assert ("pooler_output" in got) == (family not in no_pooler)
        if "pooler_output" in got:
            assert_close(got["pooler_output"], expected.pooler_output)
    elif task == "PreTraining" and family == "electra":
        assert_close(got, expected.logits, mask)
    elif task == "PreTraining":
        assert_close(got["mlm"], expected.prediction_logits, mask)
        theirs = expected.sop_logits if family == "albert" else expected.seq_relationship_logits
        assert_close(got["nsp"], theirs)
    elif task == "QuestionAnswering":
        assert_close(got["start"], expected.start_logits, mask)
        assert_close(got["end"], expected.end_logits, mask)
    else:
        per_token = task in ("MaskedLM", "TokenClassification")
        assert_close(got, expected.logits, mask if per_token else None)


def masked_lm(tmp_path, family="bert", **settings):
    reference = make_reference(family, "ForMaskedLM", **settings)
    return reference, write_checkpoint(reference, tmp_path / family)


def assert_same_masked_lm(reference, model, family="bert"):
    inputs = batch(family)
    expected = expected_outputs(reference, inputs).logits
    assert_close(model(inputs), expected, inputs["attention_mask"])


def rewrite_weights(folder, change):
    """Replaces the tensors of a checkpoint by what `change` makes of them."""
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})


def rewrite_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))


def test_sharded(tmp_path):
    reference, folder = masked_lm(tmp_path)
    (folder / "model.safetensors").unlink()
    reference.save_pretrained(folder, max_shard_size="4KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert_same_masked_lm(reference, kbert.load(folder))


def test_a_decoder_that_is_not_tied(tmp_path):
    reference, folder = masked_lm(tmp_path, tie_word_embeddings=False)
    model = kbert.load(folder)
    assert not model.mlm.tied
    assert_same_masked_lm(reference, model)
    model.save(tmp_path / "untied.keras")
    assert_same_masked_lm(reference, kbert.load(tmp_path / "untied.keras"))
    rewrite_weights(folder, lambda t: {n: a for n, a in t.items() if "decoder.weight" not in n})
    with pytest.raises(KbertError, match=r"lacks 'cls.predictions.decoder.weight'"):
        kbert.load(folder)


def test_old_names_buffers_and_repeated_tensors(tmp_path):
    """As klue/bert-base has them: gamma and beta, position_ids, the decoder written twice."""
    reference, folder = masked_lm(tmp_path)

    def age(tensors):
        old = {}
        for name, array in tensors.items():
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            old[name.replace("LayerNorm.bias", "LayerNorm.beta")] = array
        old["bert.embeddings.position_ids"] = np.arange(24)[None]
        old["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
        old["cls.predictions.decoder.bias"] = old.pop("cls.predictions.bias")
        return old

    rewrite_weights(folder, age)
    model = kbert.load(folder)
    assert model.load_report == ((), (), ())
    assert_same_masked_lm(reference, model)


def test_a_pickle_only_on_request(tmp_path):
    reference, folder = masked_lm(tmp_path)
    torch.save(reference.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(KbertError, match=r"only pytorch_model\.bin.*allow_pickle=True"):
        kbert.load(folder)
    assert_same_masked_lm(reference, kbert.load(folder, allow_pickle=True))


def test_a_new_head_is_said_so_and_can_be_trained(tmp_path, caplog):
    reference, folder = masked_lm(tmp_path)
    model = kbert.load(folder, "sequence-classification", ["부정", "긍정"])
    assert model.load_report.new == ("bert.pooler.dense", "classifier.dense")
    assert model.load_report.unused[0] == "cls.predictions.bias"
    assert len(model.load_report.unused) == 5
    (record,) = caplog.records
    assert (
        "new, with random weights, to be trained: bert.pooler.dense, classifier" in record.message
    )
    assert "not used: cls.predictions.bias" in record.message
    assert model.labels == ["부정", "긍정"]
    assert 0.005 < number(model.classifier.dense.kernel).std() < 0.05
    inputs = batch("bert")
    expected = expected_outputs(reference.bert, inputs).last_hidden_state
    assert_close(model.bert(inputs)["last_hidden_state"], expected, inputs["attention_mask"])


@pytest.mark.parametrize(
    ("settings", "problem_type"),
    [
        ({"id2label": {0: "부정", 1: "긍정"}}, "single_label_classification"),
        (
            {"id2label": {0: "가", 1: "나"}, "problem_type": "multi_label_classification"},
            "multi_label_classification",
        ),
        ({"num_labels": 1}, "regression"),
    ],
)
def test_labels_and_what_they_mean_come_along(settings, problem_type, tmp_path):
    reference = make_reference("bert", "ForSequenceClassification", **settings)
    folder = write_checkpoint(reference, tmp_path)
    model = kbert.load(folder)
    assert model.problem_type == problem_type
    assert model.labels == list(reference.config.id2label.values())
    if len(model.labels) > 1:  # the same head, under other names
        assert kbert.load(folder, labels=["x", "y"]).labels == ["x", "y"]
        other = kbert.load(folder, labels=["x", "y", "z"])
        assert other.load_report.new == ("classifier.dense",)
        assert "classifier.weight" in other.load_report.unused


def test_the_tokenizer_comes_along(tmp_path):
    _, folder = masked_lm(tmp_path, "roberta")
    tokenizer = kbert.load(folder).tokenizer
    assert tokenizer("나라 마", pad_to_length=7)["input_ids"].tolist() == [[0, 6, 22, 9, 2, 1, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is one of albert, bert, .*, not 'gpt2'"),
        ({"model_type": ...}, "model_type is one of .*, not None"),
        ({"position_embedding_type": "relative_key"}, "has only 'absolute'"),
        ({"hidden_act": "silu"}, "the activation is 'silu'"),
        ({"hidden_size": ...}, "has no hidden_size"),
        ({"hidden_size": 999_999_999}, r"\(38, 999999999\), and the checkpoint has \(38, 12\)"),
        ({"intermediate_size": 10**9}, "the checkpoint has"),
        ({"num_hidden_layers": 10**9}, "asks for 1000000000 layers, and the checkpoint has"),
        ({"num_hidden_layers": "2"}, "asks for .2. layers"),
        ({"num_attention_heads": 5}, "not a multiple of num_attention_heads"),
    ],
)
def test_configs_that_do_not_fit(changes, message, tmp_path):
    _, folder = masked_lm(tmp_path)
    rewrite_config(folder, **changes)
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_checkpoints_that_are_not_whole(tmp_path):
    _, folder = masked_lm(tmp_path)
    name = "bert.encoder.layer.1.attention.self.key.bias"
    rewrite_weights(folder, lambda tensors: {n: a for n, a in tensors.items() if n != name})
    with pytest.raises(KbertError, match=r"lacks 'encoder.layer.1.attention.self.key.bias'"):
        kbert.load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(KbertError, match=r"has no config.json"):
        kbert.load(folder)
    with pytest.raises(KbertError, match=r"expected a \.keras file, the folder"):
        kbert.load(tmp_path / "nothing" / "here")


def test_tasks_that_a_family_or_a_file_does_not_have(tmp_path):
    _, folder = masked_lm(tmp_path, "roberta")
    with pytest.raises(KbertError, match="a roberta checkpoint has no head for 'next-sentence"):
        kbert.load(folder, "next-sentence-prediction")
    meant = {
        "fill-mask": "masked-lm",
        "ner": "token-classification",
        "qa": "question-answering",
        **dict.fromkeys(("text-classification", "classification"), "sequence-classification"),
        "Masked_LM": "masked-lm",
    }
    for name, task in meant.items():
        what = f"task is one of encoder, pretraining, .*, not '{name}': you may mean '{task}'"
        with pytest.raises(KbertError, match=what):
            kbert.load(folder, name)
    with pytest.raises(KbertError, match=r"task is one of encoder, .*, not 'translation'$"):
        kbert.load(folder, "translation")
    with pytest.raises(KbertError, match="labels are for classification and tagging"):
        kbert.load(folder, "masked-lm", ["a", "b"])


def test_a_name_on_the_hub(tmp_path, monkeypatch):
    """From a cache as huggingface_hub keeps it, offline."""
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--klue--bert-base"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    reference = make_reference("bert", "ForMaskedLM")
    write_checkpoint(reference, repository / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_same_masked_lm(reference, kbert.load("klue/bert-base"))
    assert_same_masked_lm(reference, kbert.load("klue/bert-base", revision=commit))
    with pytest.raises(KbertError, match="hf download klue/roberta-base"):
        kbert.load("klue/roberta-base")
    with pytest.raises(
        KbertError, match="klue/bert-base: no such file or folder, not in the cache"
    ):
        kbert.load("klue/bert-base", revision="f" * 40)


@pytest.mark.slow
def test_the_shape_of_klue_bert_base(tmp_path):
    """110 million weights; also an answer and a judgement from end to end."""
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=32_000)
    reference = transformers.BertForPreTraining(config).eval()
    folder = write_checkpoint(reference, tmp_path)
    model = kbert.load(folder)
    assert model.count_params() == 111_243_010 and model.load_report == ((), (), ())
    inputs = batch("bert")
    expected = expected_outputs(reference, inputs)
    got = model(inputs)
    assert_close(got["mlm"], expected.prediction_logits, inputs["attention_mask"])
    assert_close(got["nsp"], expected.seq_relationship_logits)
    assert len(kbert.FillMask(model)("축구 [MASK]")) == 5
    assert kbert.NextSentence(model)("축구", "경기")["label"] in (0, 1)


def test_a_head_that_is_there_in_part(tmp_path):
    _, folder = masked_lm(tmp_path)
    name = "cls.predictions.transform.dense.bias"
    rewrite_weights(folder, lambda tensors: {n: a for n, a in tensors.items() if n != name})
    with pytest.raises(KbertError, match=r"only a part of 'mlm': no mlm\.transform\.bias"):
        kbert.load(folder)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_a_sentencepiece_model_comes_along(family, tmp_path, train_sentencepiece):
    """KoBERT's files, and XLM-RoBERTa's: from text to text, and out to transformers."""
    if family == "bert":
        pieces = {"unk_id": 0, "pad_id": 1, "bos_id": -1, "eos_id": -1, "unk_piece": "[UNK]"}
        pieces |= {"pad_piece": "[PAD]", "control_symbols": ["[CLS]", "[SEP]", "[MASK]"]}
        name, specials = "spiece.model", {"pad_token_id": 1}
    else:
        pieces, name, specials = {}, "sentencepiece.bpe.model", {}
    # transformers' config of the reference has 38 rows; these vocabularies have some 60.
    reference = make_reference(family, "ForMaskedLM", vocab_size=64, **specials)
    reference.save_pretrained(tmp_path / "in")
    (tmp_path / "in" / name).write_bytes(train_sentencepiece(**pieces))
    model = kbert.load(tmp_path / "in")
    mask = model.tokenizer.mask_token
    assert mask == ("[MASK]" if family == "bert" else "<mask>")
    text = f"국회는 법률을 {mask}"
    inputs = model.tokenizer([text, "나라"])
    del inputs["token_type_ids"]
    assert inputs["input_ids"][1, -1] == 1  # padding
    expected = expected_outputs(reference, inputs).logits
    assert_close(model(inputs), expected, inputs["attention_mask"])
    best = kbert.FillMask(model)(text, top_k=1)[0]
    place = int(np.flatnonzero(inputs["input_ids"][0] == model.tokenizer.mask_id)[0])
    row = expected[0, place, : len(model.tokenizer)].numpy()
    assert best["token"] == row.argmax()

    kbert.export_huggingface(model, tmp_path / "out")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert again(text)["input_ids"] == inputs["input_ids"][0].tolist()
    model.save(tmp_path / "model.keras")
    kept = kbert.load(tmp_path / "model.keras").tokenizer
    np.testing.assert_array_equal(kept([text, "나라"])["input_ids"], inputs["input_ids"])


@pytest.mark.parametrize("family", ["bert", "electra", "distilbert"])
def test_a_taggers_head_is_no_classifiers(family, tmp_path):
    reference = make_reference(family, "ForTokenClassification", num_labels=2)
    model = kbert.load(write_checkpoint(reference, tmp_path), "sequence-classification")
    assert model.load_report.new == ("bert.pooler.dense", "classifier.dense")
    assert set(model.load_report.unused) == {"classifier.bias", "classifier.weight"}


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
@pytest.mark.parametrize("same", [True, False])
def test_a_decoder_that_differs_though_it_is_said_to_be_tied(family, same, tmp_path, caplog):
    """transformers does not tie them then; where both are equal, nothing is to be said."""
    reference, folder = masked_lm(tmp_path, family)
    decoder = {
        "bert": "cls.predictions.decoder.weight",
        "roberta": "lm_head.decoder.weight",
        "electra": "generator_lm_head.weight",
        "distilbert": "vocab_projector.weight",
    }[family]

    def change(tensors):
        (table,) = (array for name, array in tensors.items() if "word_embeddings" in name)
        return {**tensors, decoder: table.copy() if same else table[::-1].copy()}

    rewrite_weights(folder, change)
    theirs = type(reference).from_pretrained(folder).eval()
    model = kbert.load(folder)
    assert model.mlm.tied == same
    assert_same_masked_lm(theirs, model, family)
    if same:
        assert model.load_report == ((), (), ())
        assert not [record for record in caplog.records if record.name == "kbert"]
        return
    assert model.load_report.notes[0].startswith(f"{decoder} differs from the token table")
    assert f"{decoder} differs from the token table" in caplog.text
    kbert.export_huggingface(model, tmp_path / "out")
    assert_same_masked_lm(theirs, kbert.load(tmp_path / "out"), family)


def test_of_two_biases_that_differ_the_decoders_counts(tmp_path):
    _, folder = masked_lm(tmp_path)

    def change(tensors):
        bias = tensors["cls.predictions.bias"]
        return {
            **tensors,
            "cls.predictions.decoder.bias": bias + 1 + np.arange(len(bias), dtype="f"),
        }

    rewrite_weights(folder, change)
    model = kbert.load(folder)
    assert model.load_report.unused == ("cls.predictions.bias",)
    theirs = transformers.BertForMaskedLM.from_pretrained(folder).eval()
    assert_same_masked_lm(theirs, model)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "name",
    ["embeddings.word_embeddings.weight", "attention.self.key.bias", "transform.dense.weight"],
)
def test_what_is_no_weight(bad, name, tmp_path):
    _, folder = masked_lm(tmp_path)

    def spoil(tensors):
        whole = next(key for key in tensors if key.endswith(name))
        array = tensors[whole].copy()
        array.flat[-1] = bad
        return {**tensors, whole: array}

    rewrite_weights(folder, spoil)
    with pytest.raises(KbertError, match=r"tensor '.*holds NaN or infinity"):
        kbert.load(folder)


@pytest.mark.parametrize("kind", ["int64", "uint8", "bool"])
def test_whole_numbers_are_no_weights(kind, tmp_path):
    _, folder = masked_lm(tmp_path)
    name = "bert.embeddings.word_embeddings.weight"
    rewrite_weights(folder, lambda tensors: {**tensors, name: tensors[name].astype(kind)})
    with pytest.raises(KbertError, match=r"holds .*a weight is a floating-point number"):
        kbert.load(folder)


def test_what_is_left_is_named_without_steering_the_terminal(tmp_path, caplog):
    _, folder = masked_lm(tmp_path)
    more = {f"\x1b[2J{'x' * 300}{index}": np.zeros(1, "f") for index in range(500)}
    rewrite_weights(folder, lambda tensors: {**tensors, **more})
    model = kbert.load(folder, "sequence-classification", ["a", "b"])
    assert set(more) <= set(model.load_report.unused)
    assert "\x1b" not in caplog.text and len(caplog.records[-1].getMessage()) < 5000
    assert "and 485 more" in caplog.text


def test_a_head_of_no_family_is_new(tmp_path, monkeypatch):
    """A task whose class transformers does not have: every family can be loaded for it."""
    from kbert import catalog

    entry = catalog.BY_TASK["question-answering"]._replace(suffix=None)
    monkeypatch.setitem(catalog.BY_TASK, "question-answering", entry)
    reference = make_reference("big_bird", "ForMaskedLM")
    model = kbert.load(write_checkpoint(reference, tmp_path), "question-answering", seed=3)
    assert model.load_report.new == ("span.dense",)
    assert number(model.span.dense.kernel).std() > 0.01
    with pytest.raises(KbertError, match="transformers has no class for 'question-answering'"):
        kbert.export_huggingface(model, tmp_path / "out")


@pytest.mark.parametrize("wrapper", ["module.", "model.", "model.module."])
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_names_behind_a_training_loops(family, wrapper, tmp_path):
    """As DataParallel and a class around the model write them."""
    from safetensors.numpy import load_file, save_file

    folder = write_checkpoint(make_reference(family, "ForMaskedLM"), tmp_path / "plain")
    expected = number(kbert.load(folder)(batch(family)))
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {f"{wrapper}{name}": tensor for name, tensor in tensors.items()},
        folder / "model.safetensors",
    )
    np.testing.assert_array_equal(number(kbert.load(folder)(batch(family))), expected)
