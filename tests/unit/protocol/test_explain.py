"""What is said of filters is what the tracer and the daemon make of them."""

from hypothesis import given
from protocol_strategies import CATALOGUE, levels, some_filters

from tracerd.protocol.explain import wishes
from tracerd.protocol.filters import compile_filters
from tracerd.protocol.messages import Filter, Match

OF_PROCESSES = {"pid", "tree", "uid", "exe"}


def explained(*filters, level="path"):
    return wishes(compile_filters(filters, CATALOGUE, level=level))


def test_a_filter_is_taken_apart():
    [wish] = explained(
        Filter(
            tree=[7],
            syscall=["%file"],
            path=["/etc/**", "/usr/"],
            result=["error"],
            not_=Match(comm=["sh"], syscall=["execve"], uid=[0]),
        )
    )
    assert wish.types == ["syscall_exit"]
    assert (wish.enter, wish.exit) == ([], sorted(CATALOGUE.classes["file"] - {"execve"}))
    assert wish.paths == ["/etc/", "/usr"]
    assert wish.covers == Filter(tree=[7], not_=Match(uid=[0]))
    assert wish.judged == ["path", "result", "not.comm"]


def test_no_filter_wants_everything():
    [wish] = explained()
    assert (wish.enter, wish.exit, wish.paths) == ([], ["*"], None)
    assert (wish.covers, wish.judged) == (Filter(), [])
    assert "syscall_enter" not in wish.types
    assert len(wish.types) > 5


def test_a_filter_that_can_match_nothing_has_a_wish_for_nothing_in_its_place():
    some, none, more = explained(
        Filter(syscall=["read"]), Filter(type=["exit"], syscall=["read"]), Filter(type=["exit"])
    )
    assert some.exit == ["read"]
    assert (none.types, none.exit) == ([], [])
    assert more.types == ["exit"]


def test_calls_that_are_left_out_of_all_are_judged():
    [wish] = explained(Filter(not_=Match(syscall=["read"])))
    assert (wish.exit, wish.judged) == (["*"], ["not.syscall"])


@given(some_filters, levels)
def test_it_says_what_is_pushed_down_and_forgets_no_field(filters, level):
    compiled = compile_filters(filters, CATALOGUE, level=level)
    told = wishes(compiled)
    assert len(told) == max(1, len(filters))
    live = [wish for wish in told if wish.types]
    assert [set(wish.types) for wish in live] == [set(w.interest.types) for w in compiled.wants]
    for wish, want in zip(live, compiled.wants, strict=True):
        assert wish.exit == (["*"] if want.interest.exit is None else sorted(want.interest.exit))
        assert wish.enter == (["*"] if want.interest.enter is None else sorted(want.interest.enter))
        assert wish.paths == (None if want.interest.paths is None else sorted(want.interest.paths))
    for wish, one in zip(told, compiled.normalised(), strict=False):
        for where, stated in (("", one), ("not.", one.not_ or Match())):
            kept = wish.covers if not where else wish.covers.not_ or Match()
            for field in Match.__struct_fields__:
                value = getattr(stated, field)
                assert getattr(kept, field) == (value if field in OF_PROCESSES else [])
                if field in {"tid", "comm", "path", "op", "result"}:
                    assert (f"{where}{field}" in wish.judged) == bool(value)
