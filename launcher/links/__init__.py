"""Links between agents and a headend, through a relay that can make them bad.

From the ground up: ``corruption`` (which bytes change), ``agent_link`` (the relay of one agent).
"""
