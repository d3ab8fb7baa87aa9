"""What is run: the configuration checked, the experiment that it describes, and the spec of each job.

Imports `tasks`, and `seeds` and `files`; nothing here is slow to import, since Snakemake parses with it.
"""
