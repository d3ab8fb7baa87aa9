"""One module a table: compute(scores) returns it, format_markdown(table) writes it. See drawings.py for NEEDS."""
