"""What is found: completions judged, one score table of them, and the statistics, gains split and claims from it.

Imports `training`, `provenance`, `experiment` and `tasks`, and the modules beside the rooms.
"""
