"""REST of the drill's headend, as a stranger asks it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2

ANSWER_S = 5.0
"""Time for an answer, seconds."""
PAGE = 10_000
"""Items of a history that are asked for at once."""


class NoAnswer(Exception):
    """The headend did not answer, or cannot now. A later attempt may succeed."""


class Refused(Exception):
    """The headend refused a request for good."""


class RestAnswers:
    """Asks the headend. Enter ``http`` around it."""

    def __init__(self, base: str) -> None:
        self.http = httpx2.AsyncClient(base_url=base, trust_env=False, timeout=ANSWER_S)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """The answer's body. Raises: NoAnswer, Refused."""
        try:
            answer = await self.http.request(method, path, **more)
        except (httpx2.TransportError, httpx2.StreamError) as failure:
            raise NoAnswer(repr(failure)) from failure
        if answer.status_code >= 500 or answer.status_code in (409, 429):
            raise NoAnswer(f"{answer.status_code} {answer.text[:200]}")
        if answer.status_code >= 400:
            raise Refused(f"{answer.status_code} {answer.text[:200]}")
        return answer.json()

    async def items(self, path: str, **params: str) -> AsyncIterator[Any]:
        """All items of a list. Raises: NoAnswer, Refused."""
        cursor: str | None = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            page = await self.ask("GET", path, params={"limit": str(PAGE), **params, **more})
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return
