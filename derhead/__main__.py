"""``python -m derhead``."""

import sys

from derhead.cli import main

sys.exit(main())
