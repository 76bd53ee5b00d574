"""All demos as tabs of one page, in the browser.

    python demos/app.py
    python demos/app.py --model klue/bert-base --model runs/reviews/model.keras

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*. Each
tab is a file that runs alone, too. The page is Korean, and English at /en.
"""

import attention
import contexts
import fill_mask
import fine_tuned
import neurons
import next_sentence
import sentences
import tokens
from serve import main

TABS = (
    ("fill_mask", fill_mask.build),
    ("next_sentence", next_sentence.build),
    ("attention", attention.build),
    ("neurons", neurons.build),
    ("tokens", tokens.build),
    ("contexts", contexts.build),
    ("sentences", sentences.build),
    ("fine_tuned", fine_tuned.build),
)

if __name__ == "__main__":
    main(__doc__.split("\n")[0], TABS)
