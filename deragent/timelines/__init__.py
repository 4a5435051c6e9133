"""What each asset is to do, and its memory of that over a restart.

From the ground up: ``failsafe`` (when an asset acts alone), ``timed_orders`` (orders, reports,
events and effects), ``seen_orders`` (each id once), ``asset_timeline`` (the state of one asset),
``stepping`` (what changes it); ``absence`` (time passed while the agent was away),
``timeline_format`` (timelines as bytes), ``timeline_file`` (those bytes on disk). All but the
last are pure.
"""
