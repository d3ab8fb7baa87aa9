"""Where an artifact came from: its record, the chain of records up to the data sets, and an export of all of it.

Imports `experiment` and `tasks`, and the modules beside the rooms.
"""
