"""The command line: python -m lstmsim."""

import sys

from lstmsim.run import main

if __name__ == "__main__":
    sys.exit(main())
