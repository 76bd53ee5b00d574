"""How much slower the lower layers of an encoder are trained than the upper ones."""

import re
from collections.abc import Sequence

from kbert.errors import KbertError


def layer_scales(paths: Sequence[str], decay: float) -> list[float]:
    """What the rate of each weight is multiplied by: decay^(layers - l) in encoder layer l.

    Layers are counted from 1 at the bottom, so the top layer and what stands on it (pooler, head)
    have 1, and the embeddings and DeBERTa's table of distances, layer 0, the least. Layers that
    share their weights (ALBERT) count once. (ELECTRA's code counts the head as a layer, and one
    more: there the top layer has decay^2.)

    Args:
        paths: of the weights, as Keras names them.
        decay: in (0, 1].

    Raises:
        KbertError: if none is of an encoder layer.

    Example:
        >>> names = ["bert/embeddings/token_table", "bert/encoder_layer_0/kernel",
        ...          "bert/encoder_layer_1/kernel", "classifier/dense/kernel"]
        >>> layer_scales(names, 0.5)
        [0.25, 0.5, 1.0, 1.0]

    Source: Sun et al. 2019, section 3.3 (xi of 0.95); Clark et al. 2020 (ELECTRA), appendix B.
    """
    found = [re.search(r"(?:^|/)encoder_layer_(\d+)/", path) for path in paths]
    layers = max((int(match[1]) + 1 for match in found if match), default=0)
    if not layers:
        raise KbertError("layerwise_decay is for models with encoder layers, and there are none")
    tables = r"(?:^|/)(?:embeddings|relative_positions)/"
    embeddings = [re.search(tables, path) is not None for path in paths]
    return [
        decay ** (layers - int(match[1]) - 1) if match else decay**layers if below else 1.0
        for match, below in zip(found, embeddings, strict=True)
    ]
