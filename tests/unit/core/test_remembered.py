"""What is recalled of a descriptor is what a look would show, however tasks get between each other.

The model has tables of descriptors as the kernel has them.  A call has three moments: it is
entered, it has its effect, it returns; others may do anything meanwhile.
"""

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracerd.core import kernel
from tracerd.core.remembered import FRESH_NS, LONGEST, MOST, Remembered
from tracerd.core.syscalls import by_name, lookup
from tracerd.core.syscalls.effects import CHANGES, CLONE_FILES, Effect, change_of

FDS = st.integers(0, 2)
PICK = st.integers(0, 1 << 16)
UNSHARE, CLOEXEC = 2, 4


class File:
    """An open file; its name may change."""

    numbers = itertools.count()

    def __init__(self):
        self.name = b"/%d" % next(self.numbers)


class Task:
    """What the kernel knows of a task: its table, and the call it is in."""

    def __init__(self, tid, tgid, table):
        self.tid, self.tgid, self.table = tid, tgid, table
        self.call = None
        self.done = False


class Tables(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.remembered = Remembered()
        self.tids = itertools.count(1)
        self.tasks = {}
        self.real = kernel.shares_files
        kernel.shares_files = self.shares
        self.recalled = 0
        self.begin()

    def teardown(self):
        kernel.shares_files = self.real

    def shares(self, tid, other):
        one, another = self.tasks.get(tid), self.tasks.get(other)
        return None if one is None or another is None else one.table is another.table

    def begin(self):
        tid = next(self.tids)
        self.add(Task(tid, tid, {}))
        self.remembered.trust(tid)

    def add(self, task):
        self.tasks[task.tid] = task
        self.remembered.join(task.tid, task.tgid)
        self.remembered.sees(task.tid, sees=True)

    def pick(self, number, *, idle=True):
        tasks = [task for task in self.tasks.values() if (task.call is None) is idle]
        return tasks[number % len(tasks)] if tasks else None

    # What is not seen to begin: it gives numbers that were free.

    @rule(number=PICK, fd=FDS)
    def opens(self, number, fd):
        task = self.pick(number)
        if task is not None and fd not in task.table:
            task.table[fd] = File()

    @rule(number=PICK, fd=FDS, new=FDS)
    def dups(self, number, fd, new):
        task = self.pick(number)
        if task is not None and fd in task.table and new not in task.table:
            task.table[new] = task.table[fd]

    # What is.

    def enter(self, number, name, *args):
        task = self.pick(number)
        if task is not None:
            args = (*args, *[0] * (6 - len(args)))
            task.call, task.done = (name, args), False
            self.remembered.entered(task.tid, CHANGES[name], args)

    @rule(number=PICK, what=st.sampled_from(["close", "rename", "unshare", "dup2"]), fd=FDS)
    def calls(self, number, what, fd):
        """One call at once, between whose moments nobody else does anything."""
        self.enter(number, what, CLONE_FILES if what == "unshare" else fd, 1)
        self.what_is_recalled_is_true()
        for _ in range(len(self.tasks)):
            self.returns(0)

    @rule(number=PICK, fd=FDS)
    def enters_close(self, number, fd):
        self.enter(number, "close", fd)

    @rule(number=PICK, fd=FDS, new=FDS)
    def enters_dup2(self, number, fd, new):
        self.enter(number, "dup2", fd, new)

    @rule(number=PICK, first=FDS, last=FDS, flags=st.sampled_from([0, CLOEXEC, UNSHARE]))
    def enters_close_range(self, number, first, last, flags):
        self.enter(number, "close_range", first, last, flags)

    @rule(number=PICK, flags=st.sampled_from([0, CLONE_FILES]))
    def enters_unshare(self, number, flags):
        self.enter(number, "unshare", flags)

    @rule(number=PICK, fd=FDS)
    def enters_rename(self, number, fd):
        self.enter(number, "rename", fd)

    @rule(number=PICK)
    def has_its_effect(self, number):
        task = self.pick(number, idle=False)
        if task is None or task.done:
            return
        task.done = True
        (name, args), table = task.call, task.table
        if name == "close":
            table.pop(args[0], None)
        elif name == "dup2" and args[0] in table:
            table[args[1]] = table[args[0]]
        elif name == "unshare" and args[0]:
            task.table = dict(table)
        elif name == "rename" and args[0] in table:
            table[args[0]].name = File().name
        elif name == "close_range":
            if args[2] == UNSHARE:
                table = task.table = dict(table)
            for fd in range(args[0], args[1] + 1):
                if args[2] != CLOEXEC:
                    table.pop(fd, None)

    @rule(number=PICK)
    def returns(self, number):
        """Whatever it had to do it has done."""
        self.has_its_effect(number)
        task = self.pick(number, idle=False)
        if task is not None and task.done:
            task.call = None
            self.remembered.ended(task.tid)

    # Births and deaths.

    @precondition(lambda self: len(self.tasks) < 4)
    @rule(number=PICK, shared=st.booleans())
    def makes_a_thread(self, number, shared):
        maker = self.pick(number)
        if maker is not None:
            table = maker.table if shared else dict(maker.table)
            self.add(Task(next(self.tids), maker.tgid, table))

    @precondition(lambda self: len(self.tasks) < 4)
    @rule(number=PICK, shared=st.sampled_from([False, False, False, True]))
    def makes_a_process(self, number, shared):
        maker = self.pick(number)
        if maker is None:
            return
        tid = next(self.tids)
        self.add(Task(tid, tid, maker.table if shared else dict(maker.table)))
        if shared:
            self.remembered.distrust(maker.tgid)
        else:
            self.remembered.trust(tid)

    @precondition(lambda self: len(self.tasks) > 1)
    @rule(number=PICK, idle=st.booleans())
    def dies(self, number, idle):
        task = self.pick(number, idle=idle)
        if task is not None:
            del self.tasks[task.tid]
            self.remembered.leave(task.tid, task.tgid)

    @rule(number=PICK)
    def executes(self, number):
        task = self.pick(number)
        if task is not None:
            for other in [one for one in self.tasks.values() if one.tgid == task.tgid]:
                if other is not task:
                    del self.tasks[other.tid]
                    self.remembered.leave(other.tid, other.tgid)
            task.table = {fd: file for fd, file in task.table.items() if fd == 1}
            self.remembered.new_image(task.tid)

    @rule(number=PICK, fd=FDS)
    def goes_unseen(self, number, fd):
        task = self.pick(number)
        if task is not None:
            self.remembered.sees(task.tid, sees=False)
            self.what_is_recalled_is_true()
            task.table[fd] = File()
            self.what_is_recalled_is_true()
            self.remembered.sees(task.tid, sees=True)

    # Looks.

    @invariant()
    def what_is_recalled_is_true(self):
        """After each moment; and everything is looked at, so that all there is can go wrong."""
        for task in self.tasks.values():
            for fd in range(3):
                value = self.remembered.recall(task.tid, fd, details=False)
                file = task.table.get(fd)
                seen = None if file is None else file.name
                assert value is None or value == seen, (task.tid, fd)
        for task in self.tasks.values():
            for fd, file in task.table.items():
                self.remembered.remember(task.tid, fd, file.name, details=False)

    @invariant()
    def nothing_is_kept_of_the_dead(self):
        kept = self.remembered.kept()
        assert set(kept["members"]) == set(self.tasks)
        assert set(kept["tables"]) == {task.tgid for task in self.tasks.values()}


TestTables = Tables.TestCase
TestTables.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@pytest.fixture
def alone():
    found = Remembered()
    found.join(7, 7)
    found.sees(7, sees=True)
    found.trust(7)
    return found


def test_something_is_recalled(alone):
    alone.remember(7, 3, b"/it", details=False)
    assert alone.recall(7, 3, details=False) == b"/it"
    assert alone.recall(7, 3, details=True) is None
    assert (alone.looked, alone.recalled) == (1, 1)


def test_not_for_long(alone):
    alone.remember(7, 3, b"/it", details=False)
    alone.now_ns = FRESH_NS - 1
    assert alone.recall(7, 3, details=False) == b"/it"
    alone.now_ns = FRESH_NS
    assert alone.recall(7, 3, details=False) is None


def test_what_has_no_name_outlives_renames(alone):
    alone.remember(7, 3, b"pipe:[1]", details=False)
    alone.remember(7, 4, b"/it", details=False)
    alone.entered(7, CHANGES["unlink"], (0,) * 6)
    alone.ended(7)
    assert alone.recall(7, 3, details=False) == b"pipe:[1]"
    assert alone.recall(7, 4, details=False) is None


def test_a_ring_ends_it_until_the_next_exec(alone):
    alone.remember(7, 3, b"/it", details=False)
    alone.entered(7, CHANGES["io_uring_enter"], (0,) * 6)
    alone.ended(7)
    alone.remember(7, 3, b"/it", details=False)
    assert alone.recall(7, 3, details=False) is None
    alone.new_image(7)
    alone.remember(7, 3, b"/it", details=False)
    assert alone.recall(7, 3, details=False) == b"/it"


def test_it_is_bounded(alone):
    for fd in range(10 * MOST):
        alone.remember(7, fd, b"/%d" % fd, details=False)
    recalled = [fd for fd in range(10 * MOST) if alone.recall(7, fd, details=False)]
    assert 0 < len(recalled) <= MOST
    alone.remember(7, 1, b"/" + b"x" * LONGEST, details=False)
    assert alone.recall(7, 1, details=False) is None


@pytest.mark.parametrize("abi", ["x86_64", "i386", "aarch64"])
def test_calls_are_what_they_are_taken_for(abi):
    """Each change names arguments that the call has, and that mean what they are taken for."""
    taken = {Effect.CLOSES: ("fd", "newfd"), Effect.CLOSES_RANGE: ("fd",)}
    for name, change in CHANGES.items():
        try:
            row = by_name(name, abi)
        except KeyError:
            continue
        assert change_of(row) == change
        if change.effect in taken:
            assert row.args[change.a].name in taken[change.effect]
        if change.mask:
            assert "flags" in row.args[change.a].name


def test_a_call_that_nobody_knows_may_do_anything():
    for abi, nr in (("x86_64", 1000), ("x32", 3), ("i386", 5000)):
        assert change_of(lookup(nr, abi)).effect is Effect.FORGETS
