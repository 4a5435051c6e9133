"""Files for the description: real answers as examples, and a style sheet."""

import json
from collections.abc import Mapping
from importlib import resources

_FOLDER = resources.files("derhead.api.openapi")

EXAMPLES: Mapping[str, dict[str, object]] = json.loads(
    (_FOLDER / "examples.json").read_text(encoding="utf-8")
)
"""Real answers by operation and status; ``scripts/openapi-examples`` writes them."""

STYLE = (_FOLDER / "docs.css").read_text(encoding="utf-8")
