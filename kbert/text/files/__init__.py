"""A tokenizer's files, in and out.

reader.py             which reader reads which file
own_files.py          what `Tokenizer.save` writes
huggingface_files.py  the files of a checkpoint folder
tokenizer_json.py     `tokenizer.json`, the one file for a whole tokenizer
added_tokens.py       special and added tokens in these files
"""
