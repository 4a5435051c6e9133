"""The REST API: a Quart-Trio app over a ``HeadendView``.

Routes are in ``reading.py`` and ``ordering.py``; what they answer in ``shapes.py``; every
error is a problem (``problems.py``).
"""

from quart import Response
from quart_trio import QuartTrio

from derhead.api import ordering, problems, reading
from derhead.api.view import HeadendView


def create_app(view: HeadendView) -> QuartTrio:
    """The app. It keeps no state of its own; its limits come with the server."""
    app = QuartTrio("derhead.api", static_folder=None)
    app.url_map.strict_slashes = False
    problems.install(app)
    reading.install(app, view)
    ordering.install(app, view)

    @app.after_request
    async def _add_headers(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app
