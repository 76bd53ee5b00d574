"""The sizes that BERT comes in.

Sources: base and large: Devlin et al. 2018, "BERT", section 3. tiny to medium: Turc et al. 2019,
"Well-Read Students Learn Better", table 1; every head is 64 wide.

Example:
    >>> from kbert.sizes import SIZES
    >>> SIZES["tiny"]["hidden_size"]
    128
"""


def _size(layers: int, hidden: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": hidden // 64,
        "intermediate_size": 4 * hidden,
    }


SIZES: dict[str, dict[str, int]] = {
    "tiny": _size(2, 128),
    "mini": _size(4, 256),
    "small": _size(4, 512),
    "medium": _size(8, 512),
    "base": _size(12, 768),
    "large": _size(24, 1024),
}
