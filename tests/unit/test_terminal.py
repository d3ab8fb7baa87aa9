"""What is printed for a reader who stops reading."""

import subprocess
import sys

PROGRAM = """
import sys
from selectimprove.terminal import print_text
print_text("line\\n" * 100_000)
print_text("more")
sys.exit(3)
"""


def test_program_goes_on_to_its_end_where_its_reader_is_gone():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 3
