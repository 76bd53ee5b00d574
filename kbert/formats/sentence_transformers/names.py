"""What sentence-transformers calls its files, poolings and activations, beside our names."""

MODULES = "modules.json"
OF_ALL = "config_sentence_transformers.json"
# Of the Transformer: there was a name for each family once.
OF_TRANSFORMER = [
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
]
POOLINGS = {"cls": "cls", "mean": "mean", "max": "max", "weighted-mean": "weightedmean"}
# How folders of before version 6 name poolings, where each is true or false.
FLAGS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
ACTIVATIONS = {
    "tanh": "torch.nn.modules.activation.Tanh",
    "linear": "torch.nn.modules.linear.Identity",
}
