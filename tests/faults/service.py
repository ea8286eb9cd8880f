"""One service as the harness runs it: `python -m tests.faults.service NAME`, with the bug that CUSTLOG_PLANT names."""

import os
import sys
from importlib import import_module


def main() -> None:
    """Applies the planted bug, if there is one, then runs the service until it is told to stop."""
    name = sys.argv[1]
    if plant := os.environ.get("CUSTLOG_PLANT"):
        # Before the service is imported: it must not have taken the sound pieces already.
        import_module("tests.faults.plants").PLANTS[plant].apply()
    import_module(f"services.{name}.main").main()


if __name__ == "__main__":
    main()
