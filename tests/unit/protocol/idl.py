"""A small reader of the Varlink interface definition language, written for the tests alone.

Grammar: https://varlink.org/Interface-Definition.  Types are told as text, with the spaces
left out and each `?` kept: `?[]Filter`, `?(path,fd,io)`, `[string]object`.
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"\s+|#[^\n]*|(?P<word>\[string\]|\[\]|->|[(),:?]|[A-Za-z][A-Za-z0-9_.-]*)", re.DOTALL
)
FIELD = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
MEMBER = re.compile(r"[A-Z][A-Za-z0-9]*")
BASIC = {"bool", "int", "float", "string", "object"}


@dataclass
class Interface:
    """Each member's fields, by name, with their types as text."""

    name: str = ""
    types: dict = field(default_factory=dict)
    methods: dict = field(default_factory=dict)
    errors: dict = field(default_factory=dict)

    def check_references(self):
        """Raise if a type is named that is not defined."""
        structs = [*self.types.values(), *self.errors.values()]
        structs += [side for both in self.methods.values() for side in both]
        for struct in structs:
            for kind in struct.values():
                name = re.sub(r"[?]|\[\]|\[string\]", "", kind)
                assert name.startswith("(") or name in BASIC or name in self.types, name


class Reader:
    def __init__(self, text):
        self.words = []
        at = 0
        while at < len(text):
            token = TOKEN.match(text, at)
            assert token, f"not Varlink: {text[at : at + 30]!r}"
            at = token.end()
            if token["word"]:
                self.words.append(token["word"])
        self.at = 0

    def take(self, expected=None):
        word = self.words[self.at]
        assert expected in {None, word}, f"{expected} expected, not {self.words[self.at :][:5]}"
        self.at += 1
        return word

    def ahead(self, word):
        return self.words[self.at : self.at + 1] == [word]

    def matching(self, pattern):
        word = self.take()
        assert pattern.fullmatch(word), f"{word} is no good name"
        return word

    def struct(self):
        """Return {field: type}, or for an enumeration the list of its words."""
        self.take("(")
        fields, words = {}, []
        while not self.ahead(")"):
            name = self.matching(FIELD)
            assert name not in fields, f"{name} twice"
            if self.ahead(":"):
                self.take()
                fields[name] = self.type()
            else:
                words.append(name)
            if not self.ahead(")"):
                self.take(",")
        self.take(")")
        assert not (fields and words)
        return words or fields

    def type(self):
        word = self.take()
        if word in {"?", "[]", "[string]"}:
            return word + self.type()
        if word == "(":
            self.at -= 1
            return f"({','.join(self.struct())})"
        return word

    def interface(self):
        self.take("interface")
        found = Interface(name=self.take())
        while self.at < len(self.words):
            kind = self.take()
            name = self.matching(MEMBER)
            assert name not in found.types | found.methods | found.errors, f"{name} twice"
            match kind:
                case "type":
                    found.types[name] = self.struct()
                case "method":
                    parameters = self.struct()
                    self.take("->")
                    found.methods[name] = (parameters, self.struct())
                case "error":
                    found.errors[name] = self.struct()
                case _:
                    raise AssertionError(kind)
        found.check_references()
        return found


def parse(text):
    """Return the interface that `text` defines; assertions tell what is wrong with it."""
    return Reader(text).interface()
