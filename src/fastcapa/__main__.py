"""`python -m fastcapa`: the same as the installed command."""

import sys

from fastcapa.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
