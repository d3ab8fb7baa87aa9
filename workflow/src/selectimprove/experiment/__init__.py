"""What is run: the configuration checked, the experiment that it describes, and the spec of each job.

Imports `tasks`, and the modules beside the rooms; nothing here is slow to import, since Snakemake parses with it.
"""
