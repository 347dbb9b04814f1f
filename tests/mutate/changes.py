"""The small changes that can spoil a module: one each, as text to put in place of other text."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

#: What a comparison or a calculation becomes. Both sides of a bound are near by.
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.FloorDiv: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.And: "or",
    ast.Or: "and",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Other text in place of some bytes of a source file in UTF-8."""

    line: int
    start: int
    end: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """The spoilt source."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def shown(self, source: bytes) -> str:
        """The change in a line, for people."""
        before = " ".join(source[self.start : self.end].decode().split())
        return f"{self.line}: {before} -> {self.text}"


def changes(source: bytes) -> list[Change]:
    """All changes of a module, in the order of its text."""
    tree = ast.parse(source)
    starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
    return sorted(_Spoiler(source, starts).of(tree), key=lambda change: change.start)


class _Spoiler:
    """Goes through the tree of a module; what is only for the type checker stays."""

    def __init__(self, source: bytes, line_starts: list[int]) -> None:
        self._source = source
        self._line_starts = line_starts

    def of(self, node: ast.AST) -> Iterator[Change]:
        """The changes of a node and all within it."""
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        yield from self._here(node)
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_params"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.of(child)

    def _here(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Constant(value=bool() as value):
                yield self._instead(node, str(not value))
            case ast.Constant(value=int() as value):
                yield self._instead(node, str(value + 1))
            case ast.Return(value=ast.expr() as value):
                if not (isinstance(value, ast.Constant) and value.value is None):
                    yield self._instead(value, "None")
            case ast.Expr(value=ast.Call() | ast.Await()):
                yield self._instead(node, "pass")
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                yield self._instead(test, f"(not ({self._text(test)}))")
            case ast.BoolOp(op=op, values=[left, right, *_]):
                yield self._between(left, right, op)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                yield self._between(left, right, op)
            case ast.Compare(left=left, ops=[op, *_], comparators=[right, *_]):
                yield self._between(left, right, op)

    def _text(self, node: ast.expr) -> str:
        return self._source[self._at(node) : self._end(node)].decode()

    def _instead(self, node: ast.expr | ast.stmt, text: str) -> Change:
        return Change(node.lineno, self._at(node), self._end(node), text)

    def _between(self, left: ast.expr, right: ast.expr, op: ast.AST) -> Change:
        """Another operator. The operands' parentheses lie between them, too, and stay."""
        start, end = self._end(left), self._at(right)
        between = self._source[start:end].decode()
        opening = len(between) - len(between.rstrip("( \n"))
        closing = len(between) - len(between.lstrip(") \n"))
        kept = between[:closing], between[len(between) - opening :]
        return Change(left.lineno, start, end, kept[0] + _OPERATORS[type(op)] + kept[1])

    def _at(self, node: ast.expr | ast.stmt) -> int:
        return self._line_starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._line_starts[node.end_lineno - 1] + node.end_col_offset
