"""What a person calls: a model shown at work, the runs listed, the machine examined, failures told.

Imports every room below it; no room imports this one.
"""
