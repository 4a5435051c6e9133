"""The agent: one outbound-only process a site, between its devices and the headend."""

__version__ = "0.1.0"
