"""How a request is refused, and how an answer is made and finished.

Layers, from the ground up::

    problem_kinds  the kinds of problems
    headend_parts  what several endpoints need of the headend
    replies        answers of one piece, and problems
    lookups        the query, an asset, a site, an agent
    current_lists  lists of what is now
    paging         histories, of any length
    finishing      tags, compression and CORS, of every answer
"""
