"""Between a Korean string and its ids. Nothing here imports Keras."""
