"""Orders to whole sites: split over the assets, and split again when an asset drops out.

From the ground up: ``allocation`` (the split) and ``groups`` (the state of a group, read off its
parts) · ``availability`` (a site as it is now) and ``reallocation`` (what others take over) ·
``candidates`` (the assets as they are now) · ``group_keeper`` (the task) · ``site_desk`` (orders).
"""
