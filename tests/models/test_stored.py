import zipfile

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, KbertError


def number(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def test_a_file_of_float16_opens_as_float32(small, inputs, tokenizer, tmp_path):
    wide = {**small, "hidden_size": 96, "vocab_size": 2000}
    model = BertForMaskedLM(**wide)
    model.tokenizer = tokenizer
    for name, weights in (("whole", None), ("half", "float16")):
        model.save(tmp_path / f"{name}.keras", weights=weights)
    whole, half = ((tmp_path / f"{name}.keras").stat().st_size for name in ("whole", "half"))
    assert 1.8 < whole / half < 2.05
    for again in (
        kbert.load(tmp_path / "half.keras"),
        keras.models.load_model(tmp_path / "half.keras"),
    ):
        assert again.tokenizer.vocabulary == tokenizer.vocabulary
        assert again.get_config() == model.get_config()
        for weight, own in zip(again.weights, model.weights, strict=True):
            assert weight.dtype == "float32"
            rounded = number(own).astype("float16").astype("float32")
            np.testing.assert_array_equal(number(weight), rounded)
    names = [zipfile.ZipFile(tmp_path / f"{n}.keras").namelist() for n in ("whole", "half")]
    assert names[0] == names[1]
    kbert.quantize(model).save(tmp_path / "int8.keras", weights="float16")
    assert kbert.load(tmp_path / "int8.keras").get_config()["weights"] == "int8"


def test_what_float16_cannot_be(small, tmp_path):
    model = Bert(**small)
    model.pooler.dense.bias.assign(np.full(12, 1e5, "float32"))
    (tmp_path / "x.keras").write_text("as it was")
    with pytest.raises(KbertError, match=r"pooler/.* holds a number beyond 65,504"):
        model.save(tmp_path / "x.keras", weights="float16")
    assert (tmp_path / "x.keras").read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]
    model.pooler.dense.bias.assign(np.full(12, np.nan, "float32"))
    with pytest.raises(KbertError, match=r"pooler/.* holds nan: the model is broken"):
        model.save(tmp_path / "x.keras", weights="float16")
    for call in (model.save, model.export):
        with pytest.raises(KbertError, match="path of a file or folder to write, not None"):
            call(None)
    with pytest.raises(KbertError, match="weights of a file are 'float16' or None, not 'int8'"):
        model.save(tmp_path / "x.keras", weights="int8")
