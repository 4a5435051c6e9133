"""The control-room page: files that the headend serves, and the rules a browser holds them to."""

from derhead.page.page_endpoints import page_routes

__all__ = ["page_routes"]
