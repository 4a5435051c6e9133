"""The API's own description: OpenAPI 3.1, and pages made from it.

Layers, from the ground up::

    operations    what describes one operation
    parameters    the parameters that operations take
    answer_specs  the answers that operations give
    *_operations  the operations on the fleet, on dispatches, on the headend itself
    kept          examples and style sheet, as files
    endpoints     all operations
    document      the OpenAPI document
    pages         the document as HTML
"""

from derhead.api.openapi.document import build, document
from derhead.api.openapi.endpoints import OPERATIONS
from derhead.api.openapi.kept import STYLE
from derhead.api.openapi.pages import docs_page, problems_page
