"""The control-room page: its files, and the rules that a browser applies to them."""

from derhead.page.page_endpoints import page_routes
