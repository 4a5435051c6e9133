"""Where a headend's REST API is: pure."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class HeadendUrl:
    """A headend's REST API, perhaps under a path of a proxy."""

    text: str
    """The URL as the user gave it, without a slash at its end."""

    @property
    def tls(self) -> bool:
        return self.text.startswith("https:")

    def of(self, *path: str) -> str:
        """The URL of a resource; the path's parts may hold any characters."""
        return self.text + "".join("/" + quote(part, safe="") for part in path)


def parse_headend_url(url: str) -> HeadendUrl:
    """The headend at that URL. Raises: ValueError that says what to write."""
    example = f"write one such as {DEFAULT_URL}"
    try:
        parts = urlsplit(url)
        # urlsplit checks the port only when somebody reads it.
        _ = parts.port
    except ValueError as wrong:
        raise ValueError(f"{url!r} is not a URL ({wrong}); {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL; {example}")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url!r} has more than a host and a path; {example}")
    return HeadendUrl(f"{parts.scheme}{url[len(parts.scheme) :].rstrip('/')}")
