"""What all tests share: Ctrl-C reaches what they start."""

import signal

# A shell that runs the tests in the background has them ignore it, and their children with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
