"""The headend's configuration: its settings, how they are read, and whether they fit together.

From the ground up: ``exposure`` (what other machines could use without protection),
``headend_config``, ``contradictions``, ``config_loading``.
"""

from derhead.config.config_loading import load as load
from derhead.config.config_loading import load_settings as load_settings
from derhead.config.config_loading import load_token_path as load_token_path
from derhead.config.config_loading import read_config as read_config
from derhead.config.config_loading import warn_of_tokens as warn_of_tokens
from derhead.config.exposure import Exposure as Exposure
from derhead.config.headend_config import HeadendConfig as HeadendConfig
