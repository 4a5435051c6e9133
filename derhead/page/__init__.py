"""The control-room page: files that the headend serves, and the rules a browser holds them to."""

from derhead.page.routes import page_routes

__all__ = ["page_routes"]
