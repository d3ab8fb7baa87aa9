"""What a person looks at: figures, tables, their files, completions with their first wrong step marked, the report.

Imports every room below it, and is imported by `commands` alone.
"""
