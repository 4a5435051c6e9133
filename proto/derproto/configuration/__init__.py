"""Configuration files: YAML, flags and environment, read with every problem in one pass.

From the ground up: ``problems`` (what is wrong, in lines that a person can act on), ``changes``
(what a reload changed), ``kinds`` (of values), ``fleet`` (sites and assets), ``yamlfile`` (YAML
with the line of every key), ``fleet_changes``, ``assets_text``, ``device_section`` and
``assets_file`` (``assets.yaml``), ``settings`` (a daemon's: flags over environment over file over
defaults), ``secret_files``, ``command_line`` (the commands themselves, their help, their
completion).
"""
