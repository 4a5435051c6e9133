"""The headend's configuration: its settings, how they are read, and whether they fit together.

From the ground up: ``exposure`` (what other machines could use without protection),
``headend_config``, ``contradictions``, ``config_loading``.
"""

from derhead.config.config_loading import (
    load,
    load_settings,
    load_token_path,
    read_config,
    warn_of_tokens,
)
from derhead.config.exposure import Exposure
from derhead.config.headend_config import HeadendConfig
