"""``python -m launcher`` is the command ``derlaunch``."""

import sys

from launcher.cli import main

sys.exit(main())
