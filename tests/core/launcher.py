"""Forks a program for a tracer in another process: prints its pid, execs it on a byte of stdin.

The tests run the tracer thread in their own process.  A child of that process would have its
exit status taken by the tracer's wait, so the program is the child of this launcher instead;
its exit code, or 128 plus the signal that killed it, is the launcher's.

Arguments: the file that takes the program's standard output and error (/dev/null for nothing),
then the program's own words.
"""

import os
import signal
import sys

go, ready = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(ready)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.read(go, 1)
    os.close(go)
    null = os.open("/dev/null", os.O_RDWR)
    output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    if sys.argv[1] != "/dev/null":
        os.dup2(output, 2)
    os.closerange(3, max(null, output) + 1)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    finally:
        os._exit(127)
os.close(go)
print(pid, flush=True)
sys.stdin.buffer.read(1)
os.write(ready, b"g")
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
