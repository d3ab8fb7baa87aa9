"""One module a table: compute(scores) returns it, format_markdown(table) writes it for people."""
