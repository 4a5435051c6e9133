"""Answers as operations have them: pure."""

from derhead.api.openapi.operations import AnswerSpec, Content, Text
from derhead.shapes import CSV_TYPE, JSON_TYPE


def answer(description: str, content: Content, media: str = JSON_TYPE) -> AnswerSpec:
    """One status with a body of one media type."""
    return AnswerSpec(description=description, content={media: content})


def ok(description: str, content: Content, media: str = JSON_TYPE) -> dict[int, AnswerSpec]:
    """The answers of an operation that has one."""
    return {200: answer(description, content, media)}


def listing(description: str, content: Content) -> dict[int, AnswerSpec]:
    """The answers of an operation that lists, as JSON or CSV."""
    return {
        200: AnswerSpec(
            description=description,
            content={
                JSON_TYPE: content,
                CSV_TYPE: Text(
                    "RFC 4180 with a header and a row for each item. Unknown values are empty."
                ),
            },
            headers={
                "Link": 'The next page, `rel="next"`, if it is known before the answer begins.'
            },
        )
    }
