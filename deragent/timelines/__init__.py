"""What each asset must do and when, even after a restart of the agent.

From the ground up: ``failsafe`` (when an agent acts alone), ``timed_orders`` (orders, events and
effects), ``seen_orders`` (each id once), ``asset_timeline`` (the state of one asset),
``stepping`` (how events change it), ``absence`` (time that passed while the agent was away),
``saved_values`` (what a file may hold), ``timeline_format`` (timelines as bytes),
``timeline_file`` (those bytes on disk). All but the last are pure.
"""
