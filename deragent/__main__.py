"""``python -m deragent``."""

import sys

from deragent.cli import main

sys.exit(main())
