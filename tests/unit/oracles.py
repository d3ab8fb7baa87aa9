"""What is right, worked out by the tests' own means: they share no code with the library, and undo by searching."""


def calculate(operation: tuple, value, task):
    """Return what an operation of a prompt or of a completion makes of a value of the task."""
    return ORACLES[type(task).__name__](operation, value, task)


def run_chain(start, operations, task):
    """Return the end of the chain."""
    for operation in operations:
        start = calculate(tuple(operation), start, task)
    return start


def calculate_field(operation: tuple, value: int, task) -> int:
    """Return `value operator operand` in GF(p); subtraction and division by searching for what undoes them."""
    operator, operand = operation
    if operator == "add":
        return (value + operand) % task.order
    if operator == "multiply":
        return value * operand % task.order
    undone_by = {"subtract": "add", "divide": "multiply"}[operator]
    return next(other for other in range(task.order) if calculate_field((undone_by, operand), other, task) == value)


ORACLES = {"Field": calculate_field}
