"""What the numbers of a label mean, in one place; and the label that is a number."""

# Next-sentence prediction: does the second text follow the first? (google-research/bert)
IS_NEXT = 0
IS_RANDOM = 1
# Sentence order, in its place: are the two texts swapped? (google-research/albert)
IS_IN_ORDER, IS_SWAPPED = 0, 1
NOT_A_PAIR = -1  # it has no second text, so nobody asks

IGNORED = -100  # a label that does not count, as PyTorch and Hugging Face's collators write it

REGRESSION_LABELS = ("score",)  # the name of the one number, where nobody gives it another
