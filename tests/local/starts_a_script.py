"""A server that runs a script as a fork, and ends as that ends: `tests/local/test_forks.py`."""

import sys
from pathlib import Path

from local.forks import forked_script


def main() -> int:
    """Run the script that the command line names, with its further arguments."""
    script = Path(sys.argv[1])
    fork = forked_script(script, sys.argv[2:], script.with_name("said"), {"NAME": "value"})
    return fork.wait() if fork else 2


if __name__ == "__main__":
    sys.exit(main())
