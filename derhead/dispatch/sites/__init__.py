"""Orders to whole sites: split over the assets, and split again when an asset drops out.

From the ground up: ``allocation`` (the split) and ``groups`` (the state of a group, read off its
parts) · ``availability`` (a site as it is now) and ``reallocation`` (what others take over) ·
``site_desk`` (the task).
"""
