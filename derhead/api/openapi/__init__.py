"""The API's own description: OpenAPI 3.1, and pages made of it."""

from derhead.api.openapi.document import build, document
from derhead.api.openapi.endpoints import OPERATIONS
from derhead.api.openapi.kept import STYLE
from derhead.api.openapi.pages import docs_page, problems_page

__all__ = ["OPERATIONS", "STYLE", "build", "docs_page", "document", "problems_page"]
