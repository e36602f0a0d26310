"""Programs whose lines by strace and by tracerctl are compared.

Each is a command for sh, run in a directory with the files of `furnish`, under `setarch -R`: with
addresses that are not at random the heap of programs that cannot be moved is where it was.
"""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

from build import tracee

TRACERCTL = [sys.executable, "-m", "tracerd.ctl"]
TIMEOUT_S = 240

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PERL_HASH_SEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "a"), ("EMAIL", "a@b"), ("DATE", "2020-01-01T00:00:00Z"))
    },
}


class Program(NamedTuple):
    """whole: with -v, all of every structure, and the environment.  limit: of strings, in bytes."""

    name: str
    command: str
    whole: bool = False
    limit: int = 64


def _tracee(name, *words, **options):
    return Program(name, " ".join(["exec", str(tracee(name)), *words]), **options)


PYTHON = """\
import json, subprocess, threading
json.dump({}, open("out", "w"))
subprocess.run(["true"])
thread = threading.Thread(target=str)
thread.start()
thread.join()
"""
PERL = """\
use File::Find; find(sub { lstat $_ }, "tree"); open(my $f, "<", "text"); print <$f>;
print `echo hi`; unlink "text"; mkdir "d"; rename "d", "e"; rmdir "e"; kill "USR1", $$;
"""
SHELL = """\
for word in one two three; do echo $word; done | sort > list
wc -l < list; (exit 3); trap 'echo caught' USR1; kill -USR1 $$; kill -TERM $$
"""
BASH = """\
for i in 1 2; do date +%Y | tr 0-9 a-j; done
trap "echo bye" EXIT; x=$(head -n 1 text); [ -d tree ] && exit 7
"""
MOVES = """\
mv text other; ln -s other link; readlink link; ln other hard; chmod 4600 other; rm hard link
mkdir -p a/b; rmdir a/b; mkfifo fifo; truncate -s 100 other; chown 0:0 other
touch -d 2020-01-01 new
"""
GIT = "git init -q .; git hash-object -w text; git config a.b c; git ls-files; git log; git show x"


def programs():
    """Return them; those of tests/tracees are built."""
    return (
        Program("awk", """exec awk '{ print $1; system("true") } END { print > "o" }' text"""),
        Program("bash", f"exec bash -c '{BASH}'"),
        Program("cat", "exec cat text missing /etc/passwd", whole=True),
        Program("cp", "exec cp -r tree copy"),
        Program("date", "exec date -d @0", whole=True, limit=200),
        Program("dd", "exec dd if=/dev/zero of=out bs=512 count=20 conv=fsync status=none"),
        Program("df", "exec df ."),
        Program("env", "exec env -i A=b true", whole=True),
        Program("find", "exec find . -name '*1*' -newer text"),
        Program("gcc", "exec gcc -c -o main.o main.c"),
        Program("getent", "exec getent passwd root"),
        Program("git", GIT),
        Program("grep", "exec grep -rn x tree"),
        Program("id", "exec id", limit=8),
        Program("ip", "exec ip addr"),
        Program("ls", "exec ls -lR ."),
        Program("make", "exec make -f Makefile"),
        Program("moves", MOVES),
        Program("perl", f"exec perl -e '{PERL}'"),
        Program("ps", "exec ps --info"),
        Program("python", f"exec python3 -c '{PYTHON}'"),
        Program("sed", "exec sed -i s/a/b/ text"),
        Program("sh", SHELL),
        Program("sleep", "exec sleep 0.01"),
        Program("socat", "exec socat -u OPEN:text CREATE:copy"),
        Program("sort", "exec sort -r -o out text"),
        Program("stat", "exec stat text /dev/null tree", whole=True),
        Program("stress-ng", "exec stress-ng --quiet --fork 1 --fork-ops 2 --temp-path ."),
        Program("stty", "exec stty -a < /dev/null"),
        Program("tar", "tar cf out.tar tree && gzip out.tar"),
        Program("timeout", "exec timeout -s INT 600 sleep 0.01"),
        Program("xargs", "ls | xargs -n 3 echo"),
        _tracee("exec_fails", "."),
        _tracee("open_paths", "."),
        _tracee("openmodes", "."),
        _tracee("syscall_rets", whole=True),
        _tracee("text_files", "empty"),
        _tracee("text_processes", limit=16),
        _tracee("text_sockets"),
    )


def furnish(where):
    """Make the directory in which a program runs, always the same."""
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    (where / "empty").mkdir()
    (where / "text").write_text("alpha x\nbeta y\ngamma\n")
    for number in range(8):
        path = where / "tree" / f"d{number % 2}" / f"f{number}"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("x" * number)
    (where / "tree" / "link").symlink_to("d0/f0")
    (where / "main.c").write_text("int main(void) { return 0; }\n")
    (where / "Makefile").write_text("all: one two\n\t@echo done\n%:\n\t@cat text > $@\n")


def by_strace(program, where, log):
    """Return what strace writes of it."""
    more = ["-v"] if program.whole else []
    return _run(["strace", "-f", "-y", "-s", str(program.limit), *more], program, where, log)


def by_tracerctl(program, where, log):
    """Return the lines of `tracerctl run`."""
    more = ["-v"] if program.whole else []
    tracer = [*TRACERCTL, "run", "--env", "-s", str(program.limit), *more]
    return _run(tracer, program, where, log)


def by_recording(program, where, log):
    """Return strace's text that `tracerctl export` makes of a recording."""
    trace = log.with_suffix(".trace")
    _run([*TRACERCTL, "record", "--env", "-s", str(program.limit)], program, where, trace)
    more = ["-v"] if program.whole else []
    export = [*TRACERCTL, "export", "--format", "strace", "-s", str(program.limit), *more]
    environment = os.environ | {"TZ": "UTC"}
    subprocess.run([*export, "-o", log, trace], env=environment, timeout=TIMEOUT_S, check=True)
    return log.read_text()


def _run(tracer, program, where, log):
    furnish(where)
    done = subprocess.run(
        [*tracer, "-o", log, "setarch", "-R", "sh", "-c", program.command],
        cwd=where,
        env=ENVIRONMENT | {"TZ": "UTC", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode != 125, f"{program.name}: the tracer failed"
    return log.read_text("utf-8", "replace")
