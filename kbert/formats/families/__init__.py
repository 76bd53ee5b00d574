"""The families of Hugging Face's checkpoints."""
