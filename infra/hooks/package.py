"""Hook of azd before it packs the app: starts vendoring.py. Any Python can read it."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older one must say what it lacks
    sys.stderr.write(
        "FAILED: this hook needs Python 3.13, and runs on " + sys.version.split()[0] + "\n"
        "  known as: failure 1 (docs/deploy.md#failure-1)\n"
        "  what to do: python3.13 infra/hooks/package.py (on Windows py -3.13)\n"
    )
    sys.exit(2)

from vendoring import main

if __name__ == "__main__":
    sys.exit(main())
