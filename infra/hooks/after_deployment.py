"""Hook of azd after a deployment: starts after_steps.py. Any Python can read it."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older one must say what it lacks
    sys.stderr.write(
        "FAILED: this hook needs Python 3.11 or newer, and runs on " + sys.version.split()[0] + "\n"
        "  what to do: python3.13 infra/hooks/after_deployment.py\n"
    )
    sys.exit(2)

from after_steps import main

if __name__ == "__main__":
    sys.exit(main())
