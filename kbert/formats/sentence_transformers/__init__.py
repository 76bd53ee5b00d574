"""Folders as sentence-transformers writes them.

    modules.json                names the parts, and in which folders they are
    config.json, ...            Transformer: a Hugging Face checkpoint, with its tokenizer
    sentence_bert_config.json   its longest text
    1_Pooling/config.json       Pooling
    2_Dense/                    Dense, where there is one: config.json and two tensors
    3_Normalize/                Normalize, where there is one: nothing

Source: sentence-transformers 2.0 to 6.2: `modules/pooling.py`, `dense.py` and `transformer.py`.

names.py    what its files, poolings and activations are called
load.py     such a folder -> a SentenceBert
export.py   a SentenceBert -> such a folder
"""
