"""`python -m kbert`: the `kbert` command."""

import sys

from kbert.formats.inspect import main

if __name__ == "__main__":
    sys.exit(main())
