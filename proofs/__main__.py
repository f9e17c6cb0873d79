"""The command line: `python -m proofs --help`."""

import sys

from proofs.runner import main

# Its processes import what they run by name: nothing of it may be defined here.
if __name__ == "__main__":
    sys.exit(main())
