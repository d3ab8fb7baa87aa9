"""One module a figure: draw(scores) returns the figure. See scores.py for the columns, drawings.py for NEEDS."""
