"""Sessions: a supervised task group for each agent's stream.

Rooms, from the ground up; each imports only from those before it:

- ``terms``: a session's limits, its record and its end.
- ``admission``: which agents may come in, and the memory of earlier ones; pure.
- ``streams``: one agent's stream, with its receiving and its sending half.
- ``register_audit``: Registers in the audit trail.
- ``reception``: a stream up to its Register.
- ``service``: all sessions.
"""

from derhead.sessions.admission.agent_identity import AgentIdentities, Proof
from derhead.sessions.admission.register import AGENT_ID
from derhead.sessions.service import Sessions, SessionStatistics
from derhead.sessions.streams.outgoing import SETPOINTS_QUEUED
from derhead.sessions.streams.session import Session
from derhead.sessions.terms.ends import HEADEND_ENDED, silence_after
from derhead.sessions.terms.session_limits import SessionLimits
from derhead.sessions.terms.session_records import HeartbeatRecord, SessionRecord
