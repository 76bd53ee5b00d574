"""The pictures: whole without a network, safe with any text, and of the right numbers."""

import re
import struct
import zlib
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest

import kbert
from kbert.explain.page import SHARES, png, swatch
from tests.explain.conftest import TEXT


def cells_of(address: str) -> np.ndarray:
    """The places in the palette of a picture that `png` made."""
    file = b64decode(address.removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">2I", file[16:24])
    data, place = b"", 8
    while place < len(file):
        size, name = struct.unpack(">I4s", file[place : place + 8])
        chunk = file[place + 8 : place + 8 + size]
        (crc,) = struct.unpack(">I", file[place + 8 + size : place + 12 + size])
        assert crc == zlib.crc32(name + chunk)
        data += chunk if name == b"IDAT" else b""
        place += 12 + size
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width + 1)[:, 1:]


class Seen(HTMLParser):
    """The tags of a page with their attributes, and what it says."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.said = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said += data


def every_result(model, tokenizer, text: str) -> dict:
    explain = kbert.explain
    return {
        "input_rows": explain.input_rows(model, text, text, pad_to_length=17),
        "masking": explain.masking(tokenizer, text, seed=0),
        "attention": explain.attention(model, text, text),
        "neuron_view": explain.neuron_view(model, text, 0, 0, 1, pair=text),
        "contextual": explain.contextual(model, "국회", [text, "국회는"]),
        "layers": explain.layers(model, text),
        "attributions": explain.attributions(model, text + " [MASK]", "축구"),
    }


@pytest.fixture
def evil(small):
    """A vocabulary whose pieces are markup, and a model with it."""
    pieces = ["<b>", "&amp;", '"', "<script>"]
    tokens = [*"[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##는 축구".split(), *pieces]
    model = kbert.BertForPreTraining(**small | {"max_position_embeddings": 64})
    model.tokenizer = kbert.Tokenizer(tokens, added_tokens=pieces)
    return model


def test_no_text_becomes_markup_and_nothing_is_loaded(evil, tmp_path):
    text = '국회 <b> &amp; " <script>'
    for name, result in every_result(evil, evil.tokenizer, text).items():
        for language in ("ko", "en"):
            page = result.html(language)
            seen = Seen(page)
            kinds = [tag for tag, _ in seen.tags]
            assert kinds.count("script") == (name == "attention")
            assert not {"link", "iframe", "object"} & set(kinds)
            for _, attributes in seen.tags:
                assert all(not key.startswith("on") for key in attributes)
                assert attributes.get("src", "data:image/png").startswith("data:image/png")
            assert not re.search(r"https?:|url\(|@import|fetch\(", page)
            assert re.search(r'<html lang="(ko|en)">', page).group(1) == language
            assert "<script>" in seen.said if name != "contextual" else "<b>" in seen.said
        result.save(tmp_path / f"{name}.html")
        saved = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert saved == result.html() and result._repr_html_() in saved


def test_only_two_languages(model, tokenizer):
    for result in every_result(model, tokenizer, "국회는 나").values():
        with pytest.raises(kbert.KbertError, match="ko, en, not 'fr'"):
            result.html("fr")


def test_a_heads_picture_has_its_weights(model):
    seen = kbert.explain.attention(model, TEXT)
    images = [attributes["src"] for tag, attributes in Seen(seen.html()).tags if tag == "img"]
    assert len(images) == 2 * 3
    drawn = np.stack([cells_of(image) for image in images]).reshape(2, 3, *seen.weights.shape[2:])
    np.testing.assert_allclose(drawn / 255, seen.weights, atol=0.5 / 255 + 1e-6)


def test_the_lines_are_the_means_of_all_heads(model):
    seen = kbert.explain.attention(model, TEXT)
    lines = [attributes for tag, attributes in Seen(seen.html()).tags if tag == "line"]
    words, pieces = len(seen.eojeols), len(seen.pieces)
    assert len(lines) == words**2 + pieces**2
    opacity = np.array([float(line["opacity"]) for line in lines[: words**2]])
    mean = seen.by_eojeol().mean(axis=(0, 1)).ravel()
    np.testing.assert_allclose(opacity, mean / mean.max(), atol=6e-4)


def test_a_long_text_is_cut_in_the_picture_and_says_so(small, tokenizer):
    model = kbert.BertForMaskedLM(**small | {"max_position_embeddings": 200})
    model.tokenizer = tokenizer
    seen = kbert.explain.attention(model, "나 " * 150)
    assert seen.weights.shape[-1] == 152
    assert (
        "앞의 토큰 64개만" in seen.html()
        and "64개만" not in kbert.explain.attention(model, "나 너").html()
    )


def test_cells_are_blue_above_zero_and_orange_below():
    (address,) = re.findall(r'src="([^"]+)"', swatch(np.array([-1.0, 0, 0.5, 3]), largest=1))
    assert cells_of(address).tolist() == [[1, 128, 192, 255]]
    colours = b64decode(address.removeprefix("data:image/png;base64,"))
    palette = colours[colours.index(b"PLTE") + 4 :][: 3 * 256]
    assert palette[:3] == bytes([230, 110, 20]) and palette[-3:] == bytes([37, 120, 235])
    assert cells_of(png(np.array([[0, 7], [255, 1]], np.uint8), SHARES)).tolist() == [
        [0, 7],
        [255, 1],
    ]


def test_a_page_that_cannot_be_written(model, tmp_path):
    with pytest.raises(kbert.KbertError, match=r"x\.html cannot be written"):
        kbert.explain.layers(model, TEXT).save(tmp_path / "no folder" / "x.html")
