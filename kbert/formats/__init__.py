"""Files, in and out.

load.py               kbert.load, the one door
load_report.py        what a file gave to a model, and what it did not
new_head.py           another task's head on the encoder of a `.keras` file
keras_file.py         a `.keras` file -> a model
keras_archive.py      what a `.keras` file holds, checked
h5_file.py            the weights within it, checked
huggingface_import.py a checkpoint folder -> a model
huggingface_export.py a model -> a checkpoint folder; an upload
hub.py                a name on the Hub -> a folder
folder.py             which files of a checkpoint folder may be opened
checkpoint_config.py  config.json <-> arguments
checkpoint_names.py   one table of names a family, read both ways
checkpoint_weights.py each weight beside its tensors, by that table
safetensors_file.py   safetensors, read strictly
torch_file.py         PyTorch's pickles, never trusted
stored_tensor.py      a tensor in a file, read when it is wanted
keras_hub.py          weights and vocabulary to and from KerasHub
inspect.py            `kbert inspect`: what is in a file, without loading it
tensorflow_text.py    the tokenizer in a TensorFlow graph; a SavedModel that takes texts
"""
