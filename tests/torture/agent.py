"""``deragent run`` with a meter on each device.

The environment configures it: the agent's own variables, and ``TORTURE_METERS``, the folder of
the meters' accounts.
"""

import os
from argparse import Namespace
from functools import partial
from pathlib import Path

import trio

from deragent.config import load
from deragent.daemon import main
from derproto.stdio.logs import configure_logging
from tests.torture.meters import open_metered

METERS = "TORTURE_METERS"

if __name__ == "__main__":
    config, plan = load(Namespace(), os.environ)
    configure_logging(config.log_level)
    folder = Path(os.environ[METERS])
    trio.run(partial(main, config, plan, open_device=partial(open_metered, folder)))
