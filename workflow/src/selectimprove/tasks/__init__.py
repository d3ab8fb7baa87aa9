"""The task: problems and their splits, the two strategies, the text forms, and the verifier that says what counts.

Imports nothing of the package but the modules beside the rooms: `seeds`, `files`, `terminal`.
"""
