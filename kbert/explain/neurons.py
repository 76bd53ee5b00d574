"""The neuron view: how one head comes to what one token takes from the others, number by number.

    q = x W^Q      k_j = x_j W^K      v_j = x_j W^V
    score_j = q . k_j / sqrt(H)      weight = softmax(score)      context = sum_j weight_j v_j
    output = (context of head 1, ..., context of head N) W^O + b

Shapes: L length, H head size, D hidden.
Source: Vaswani et al. 2017, section 3.2; Vig 2019, "A Multiscale Visualization of Attention".
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from kbert.errors import KbertError
from kbert.explain.page import WORDS, Language, Part, bar, checked, save_page, swatch, whole_page
from kbert.explain.read_text import as_array, bert_of, find_place, read_for
from kbert.models.base import KbertModel


@dataclass(frozen=True, eq=False)
class NeuronView:
    """One head of one layer, at one token.

    Attributes:
        pieces: the L tokens.
        layer: from 0.
        head: from 0.
        token: the place of the token that looks.
        query: (H,) its query.
        keys: (L, H).
        products: (L, H) query times key, element by element.
        scores: (L,) the sums of `products`: q . k.
        scaled: (L,) `scores` divided by sqrt(H).
        weights: (L,) the softmax of `scaled`; what an attention window hides has 0.
        values: (L, H).
        weighted: (L, H) weight times value.
        context: (H,) the sum of `weighted`.
        projected: (D,) the context through its H rows of the output projection.
        others: (D,) the same of all other heads together.
        bias: (D,) the output projection's.
        output: (D,) projected + others + bias: the attention layer's own output at the token.
    """

    pieces: list[str]
    layer: int
    head: int
    token: int
    query: np.ndarray
    keys: np.ndarray
    products: np.ndarray
    scores: np.ndarray
    scaled: np.ndarray
    weights: np.ndarray
    values: np.ndarray
    weighted: np.ndarray
    context: np.ndarray
    projected: np.ndarray
    others: np.ndarray
    bias: np.ndarray
    output: np.ndarray

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(_picture(self, language), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return _picture(self, "ko").fragment()


def neuron_view(
    model: KbertModel, text: str, layer: int, head: int, token: str | int, pair: str | None = None
) -> NeuronView:
    """Computes one head's attention at one token, step by step, in float32.

    Args:
        model: a model of kbert with a tokenizer.
        text: the text.
        layer: which layer, from 0; -1 is the last.
        head: which head, from 0.
        token: the token that looks, by its place or its name (the first of that name).
        pair: a second text, or None.

    Raises:
        KbertError: if there is no such layer, head or token; the token is a global one
            (Longformer), or the row is seen in blocks (BigBird); or as for `input_rows`.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=7, **kbert.SIZES["tiny"])
        >>> model.tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에".split())
        >>> view = kbert.explain.neuron_view(model, "국회에", layer=0, head=1, token="국회")
        >>> view.scaled.shape, bool(np.allclose(view.scaled, view.scores / 8))  # H = 64
        ((4,), True)
    """
    bert, read = bert_of(model), read_for(model, text, pair)
    names = [str(i) for i in range(len(bert.layers_in_order))]
    layer = find_place(names, layer, "layer")
    attend = bert.layers_in_order[layer].self_attention
    heads, head_size = attend.num_attention_heads, attend.head_size
    head = find_place([str(i) for i in range(heads)], head, "head")
    token = find_place(read.pieces, token, "token")
    has_global = bert.get_config().get("global_attention", False) and bert.cls_is_global
    if has_global and token == 0:
        raise KbertError(
            f"{read.pieces[0]} is a global token here, and looks by projections of its own: ask "
            "another token; kbert.explain.attention has the weights of all"
        )
    if attend.blocks is not None and len(read.pieces) > attend.blocks.longest_full:
        raise KbertError(
            f"a row of {len(read.pieces)} tokens is seen in blocks, which this view has not: take "
            f"a text of up to {attend.blocks.longest_full} tokens, or the model of "
            "model.with_settings(block_size=None), whose tokens see all"
        )

    states = bert(read.inputs, output_hidden_states=True)["hidden_states"]
    hidden = as_array(states[layer])[0]  # (L, D)
    length, size = hidden.shape
    projection, out = attend.query_key_value, attend.output_projection
    projected = hidden @ as_array(projection.kernel) + as_array(projection.bias)  # (L, 3 N H)
    parts = projected.reshape(length, 3, heads, head_size)  # (L, 3, N, H)
    queries, keys, values = parts[token, 0], parts[:, 1], parts[:, 2]  # (N, H), 2 x (L, N, H)
    products = queries * keys  # (L, N, H)
    scores = products.sum(-1)  # (L, N)
    scaled = scores / np.sqrt(np.float32(head_size))
    far = np.abs(np.arange(length) - token) > (length if attend.window is None else attend.window)
    far[0] &= not has_global
    visible = np.where(far[:, None], -np.inf, scaled)
    weights = np.exp(visible - visible.max(axis=0))
    weights /= weights.sum(axis=0)  # (L, N)
    weighted = weights[..., None] * values  # (L, N, H)
    context = weighted.sum(axis=0)  # (N, H)
    rows = as_array(out.kernel).reshape(heads, head_size, size)  # (N, H, D)
    by_head = np.einsum("nh,nhd->nd", context, rows)  # (N, D)
    others = np.delete(by_head, head, axis=0).sum(axis=0)  # (D,)
    bias = as_array(out.bias)
    return NeuronView(
        pieces=read.pieces,
        layer=layer,
        head=head,
        token=token,
        query=queries[head],
        keys=keys[:, head],
        products=products[:, head],
        scores=scores[:, head],
        scaled=scaled[:, head],
        weights=weights[:, head],
        values=values[:, head],
        weighted=weighted[:, head],
        context=context[head],
        projected=by_head[head],
        others=others,
        bias=bias,
        output=by_head[head] + others + bias,
    )


def _picture(view: NeuronView, language: Language) -> Part:
    words = WORDS[checked(language)]
    root = float(np.sqrt(len(view.query)))
    size = f"<span class=root>√</span>{len(view.query)}"
    of_query, of_keys, of_products, of_values = (
        float(np.abs(vectors).max())
        for vectors in (view.query, view.keys, view.products, view.values)
    )
    of_context = max(float(np.abs(vectors).max()) for vectors in (view.weighted, view.context))
    rows = []
    for i, piece in enumerate(view.pieces):
        here = " class=here" if i == view.token else ""
        rows.append(
            f"<tr{here}><th>{escape(piece)}</th><td>{swatch(view.keys[i], of_keys)}</td>"
            f"<td>{swatch(view.products[i], of_products)}</td><td>{view.scores[i]:.2f}</td>"
            f"<td>{view.scaled[i]:.2f}</td><td>{bar(view.weights[i])}</td>"
            f"<td>{swatch(view.values[i], of_values)}</td>"
            f"<td>{swatch(view.weighted[i], of_context)}</td></tr>"
        )
    names = ("k", "q × k", "q · k", f"÷&nbsp;{size}", "softmax", "v", words["weighted"])
    head = "<th></th>" + "".join(
        f"<th{' class=number' if name[0] in 'q÷' and name != names[1] else ''}>{name}</th>"
        for name in names
    )
    largest = float(np.abs(view.output).max())
    sums = (
        ("context", view.context, of_context),
        ("projected", view.projected, largest),
        ("others", view.others, largest),
        ("bias", view.bias, largest),
        ("output", view.output, largest),
    )
    told = "".join(
        f"<tr><th>{words[name]}</th><td>{swatch(vector, scale)}</td></tr>"
        for name, vector, scale in sums
    )
    where = words["where"].format(layer=view.layer, head=view.head)
    body = (
        f"<p><b>{escape(view.pieces[view.token])}</b> · {where} · {size} = {root:.2f}"
        f"</p><p>q &nbsp;{swatch(view.query, of_query)}</p>"
        f"<div class=wide><table class=steps><tr>{head}</tr>{''.join(rows)}</table></div>"
        f"<h3>{words['sums']}</h3><div class=wide><table class=steps>{told}</table></div>"
    )
    return Part(words["neurons"], words["neurons_note"], body)
