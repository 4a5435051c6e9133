"""How a request is refused, and how an answer is made and finished.

Layers, from the ground up::

    problem_kinds  the kinds of problems
    headend_parts  what several endpoints need of the headend
    callers        who sent the current request
    replies        answers in one piece, and problems
    guarding       who may do what
    lookups        finding the query, an asset, a site, an agent
    current_lists  lists of the present state
    paging         histories of any length
    finishing      ETags, compression and CORS for every answer
"""
