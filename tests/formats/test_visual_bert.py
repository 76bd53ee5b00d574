"""VisualBERT's checkpoints beside transformers, in and out."""

import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from tests.formats.checkpoints import VOCABULARY, write_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

RNG = np.random.default_rng(0)
INPUTS = {
    "input_ids": np.array([[2, 7, 30, 8, 3, 9, 10, 3], [2, 33, 4, 12, 3, 0, 0, 0]], "int32"),
    "attention_mask": np.array([[1] * 8, [1] * 5 + [0] * 3], "int32"),
    "token_type_ids": np.array([[0] * 5 + [1] * 3, [0] * 8], "int32"),
}
REGIONS = {
    "extra_embeddings": RNG.standard_normal((2, 4, 6)).astype("float32"),
    "extra_mask": np.array([[1, 1, 1, 1], [1, 1, 0, 0]], "int32"),
}
THEIRS = {"extra_embeddings": "visual_embeds", "extra_mask": "visual_attention_mask"}


def make_reference(ending: str, **settings):
    """In float32, for inference, with weights of which none is 0 or 1."""
    torch.manual_seed(3)
    config = transformers.VisualBertConfig(
        vocab_size=len(VOCABULARY) + 3,
        hidden_size=12,
        visual_embedding_dim=6,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=24,
        layer_norm_eps=1e-5,
        pad_token_id=0,
        num_labels=3,
        **settings,
    )
    model = getattr(transformers, f"VisualBert{ending}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def answers_of(reference, inputs):
    named = {THEIRS.get(name, name): torch.tensor(array) for name, array in inputs.items()}
    with torch.no_grad():
        return reference(**{k: v.long() if v.dtype == torch.int32 else v for k, v in named.items()})


def assert_close(got, expected):
    np.testing.assert_allclose(ops.convert_to_numpy(got), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("inputs", [INPUTS, INPUTS | REGIONS], ids=["text", "regions"])
def test_the_encoder(tmp_path, inputs):
    reference = make_reference("Model")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    assert model.get_config()["extra_size"] == 6 and not model.load_report.unused
    got, expected = model(inputs), answers_of(reference, inputs)
    assert_close(got["last_hidden_state"], expected.last_hidden_state)
    assert_close(got["pooler_output"], expected.pooler_output)


def test_vectors_in_the_place_of_ids(tmp_path):
    reference = make_reference("Model")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    inputs = {name: array for name, array in (INPUTS | REGIONS).items() if name != "input_ids"}
    inputs["inputs_embeds"] = RNG.standard_normal((2, 8, 12)).astype("float32")
    expected = answers_of(reference, inputs)
    assert_close(model(inputs)["last_hidden_state"], expected.last_hidden_state)


def test_both_heads_of_pretraining_in_and_out(tmp_path):
    """transformers scores the regions, too, as if they were words."""
    reference = make_reference("ForPreTraining")
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    assert model.task == "pretraining" and not model.load_report.new
    kbert.export_huggingface(model, tmp_path / "out")
    again = transformers.VisualBertForPreTraining.from_pretrained(tmp_path / "out").eval()
    got = model(INPUTS | REGIONS)
    for each in (reference, again):
        expected = answers_of(each, INPUTS | REGIONS)
        assert_close(got["mlm"], expected.prediction_logits[:, :8])
        assert_close(got["nsp"], expected.seq_relationship_logits)


def test_labels_in_and_out(tmp_path):
    reference = make_reference("ForVisualReasoning")
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    assert model.task == "sequence-classification" and not model.load_report.new
    kbert.export_huggingface(model, tmp_path / "out")
    config = json.loads((tmp_path / "out/config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["VisualBertForVisualReasoning"]
    assert "VisualBertForVisualReasoning.from_pretrained" in (tmp_path / "out/README.md").read_text(
        encoding="utf-8"
    )
    again = transformers.VisualBertForVisualReasoning.from_pretrained(tmp_path / "out").eval()
    for each in (reference, again):
        assert_close(model(INPUTS | REGIONS), answers_of(each, INPUTS | REGIONS).logits)
    other = kbert.load(tmp_path / "in", labels=["하나", "둘"])
    assert "classifier.dense" in other.load_report.new


def test_what_kbert_does_not_have(tmp_path, small, tokenizer):
    folder = write_checkpoint(make_reference("ForQuestionAnswering"), tmp_path / "vqa")
    assert kbert.load(folder).task == "encoder"
    with pytest.raises(KbertError, match=r"scores something else than the pooled \[CLS\]"):
        kbert.load(folder, "sequence-classification")
    folder = write_checkpoint(make_reference("Model", bypass_transformer=True), tmp_path / "by")
    with pytest.raises(KbertError, match="bypass_transformer is True"):
        kbert.load(folder)
    model = kbert.Bert(**small, extra_size=6)
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="extra_size would be None, and the model's is 6"):
        kbert.export_huggingface(model, tmp_path / "out", model_type="bert")
    plain = kbert.Bert(**small)
    plain.tokenizer = tokenizer
    with pytest.raises(KbertError, match="extra_size would be 512, and the model's is None"):
        kbert.export_huggingface(plain, tmp_path / "out", model_type="visual_bert")
