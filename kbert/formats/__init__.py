"""Files, in and out.

load.py               kbert.load, the one door
new_head.py           another task's head on the encoder of a model
keras_file.py         a `.keras` file -> a model
without_numbers.py    a model of shapes alone, to compare before anything of them is made
families/             the families of Hugging Face's checkpoints, a file each
huggingface/          their folders: load, export, hub, and the config and weights of both
sentence_transformers/  their folders: load, export
base_model.py         what a card says of the model that a model was made of
push_to_hub.py        a model -> a repository on the Hub
readers/              strict readers: safetensors, PyTorch's pickles, HDF5, a whole `.keras` file
keras_hub.py          weights and vocabulary to and from KerasHub
inspect.py            `kbert inspect`: what is in a file, without loading it
tensorflow_text.py    the tokenizer in a TensorFlow graph; a SavedModel that takes texts
"""
