"""Access to REST: tokens and roles, and what a caller may do.

Layers, from the ground up::

    roles           roles, rights, and who a caller is: pure
    failure_meter   refused requests, counted and slowed: pure
    tokens          tokens, their hashes, and the look-up of one: pure
    token_changes   what a new file of tokens changes: pure
    token_file      reads the file of tokens with every problem, and writes it whole
    visible_fleets  the part of the fleet that a caller may see: pure
    access_gate     recognises callers by their credentials: pure
    logins          log-ins of browsers: pure
    issuer_terms    the settings of an OIDC issuer
    jwt_judge       recognises the owner of an OIDC issuer's JWT: pure
    issuer_loading  the issuer's keys, from a file or a URL
    gate_loading    the gate of a daemon: its tokens and its issuer
"""

from derhead.access.access_gate import UNREADABLE, AccessGate, Unauthenticated
from derhead.access.failure_meter import NEVER_SLOWED, AccessRefusal, FailureMeter
from derhead.access.gate_loading import keep_issuer, open_gate
from derhead.access.issuer_terms import IssuerTerms, KeyKeeping, KeySource
from derhead.access.logins import COOKIE, Login, Logins
from derhead.access.roles import (
    ANY_AGENT,
    ANYBODY,
    Principal,
    Right,
    Role,
    needed_role,
    roles_with,
)
from derhead.access.token_changes import find_token_changes
from derhead.access.token_file import (
    TOKEN_AGENT,
    TOKEN_NAME,
    TOKEN_ROLE,
    TOKEN_SITES,
    USER_LENGTH,
    changing,
    read_token_file,
    write_token_file,
)
from derhead.access.tokens import (
    MOST_TOKENS,
    SECRET_BYTES,
    Token,
    TokenSet,
    digest_of,
    spell,
)
from derhead.access.visible_fleets import VisibleFleets, sees_sites_of
