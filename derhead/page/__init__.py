"""The control-room page: its files, and the rules that a browser applies to them.

Layers, from the ground up::

    page_files      the files, read once at the start
    page_endpoints  their addresses
"""

from derhead.page.page_endpoints import page_routes
