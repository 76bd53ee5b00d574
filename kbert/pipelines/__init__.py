"""Questions in words, answers in words: classes that take a model."""
