"""Reads InsightFace's `.bin` sets, which are pickles, without unpickling, so that nothing in the file can run (ADR 15).

A `.bin` holds (list of encoded images, list of "is same"), pickled by Python 2 or 3 in any protocol. Images are byte
strings, byte arrays or NumPy arrays of bytes. Answers are numbers, Python's or NumPy's. Either list may be a NumPy array.
A pickle is a program for a stack machine. The machine in this module knows the instructions for
lists, tuples, numbers and bytes, and the few calls that bytes and NumPy arrays need. It imports nothing: a global is only a
name. Every other name, call or instruction is refused. Source: Python's module `pickletools`.
"""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pickletools import opcodes
from typing import Any, Final

import numpy as np

from fedface_core.domain.errors import InvalidInputError

_OPCODES: Final = {ord(opcode.code): opcode for opcode in opcodes}
_BYTES_MAKERS: Final = {"_codecs encode"}
_BYTES_TYPES: Final = {f"{module} {name}" for module in ("__builtin__", "builtins") for name in ("bytes", "bytearray")}
_RECONSTRUCT: Final = {f"numpy.{core}.multiarray _reconstruct" for core in ("core", "_core")}
_FROM_BUFFER: Final = {f"numpy.{core}.numeric _frombuffer" for core in ("core", "_core")}
_SCALAR: Final = {f"numpy.{core}.multiarray scalar" for core in ("core", "_core")}
_ALLOWED: Final = {
    *_BYTES_MAKERS,
    *_BYTES_TYPES,
    *_RECONSTRUCT,
    *_FROM_BUFFER,
    *_SCALAR,
    "numpy ndarray",
    "numpy dtype",
}
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS: Final = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"}
_TEXTS: Final = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE"}
_BYTE_STRINGS: Final = {"STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PLAIN_KINDS: Final = ("b", "i", "u", "f", "S")
_PUTS: Final = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS: Final = {"GET", "BINGET", "LONG_BINGET"}


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass
class _ElementType:
    """A NumPy element type: kind and size in bytes, such as 'f8' or 'O8', and the order of its bytes."""

    name: str
    byte_order: str = "<"


@dataclass
class Array:
    """A pickled NumPy array or scalar: its element type ('u1', 'f8', 'S20', 'O8'), and what it holds, in order."""

    element: str
    byte_order: str = "<"
    data: bytes = b""
    """The bytes of all elements; none in an array of objects."""
    objects: Sequence[Any] = ()

    def values(self) -> Sequence[Any]:
        """The elements: numbers, bytes or objects. ValueError if there are no such elements, or a part of one is left."""
        kind = self.element[:1]
        if kind == "O":
            return self.objects
        if kind not in _PLAIN_KINDS or not self.element[1:].isdecimal() or len(self.element) > 9:
            raise ValueError(f"there are no elements of type {self.element!r}")
        elements: list[Any] = np.frombuffer(self.data, self.byte_order + self.element).tolist()
        return elements


class _RefusedError(Exception):
    """The pickle is refused, for the reason in the message. `read_pickled` makes an `InvalidInputError` of it."""


_MARK = object()


def read_pickled(data: bytes, name: str) -> Any:
    """The content of a pickle, made of lists, tuples, numbers, text, bytes and `Array`s.

    `InvalidInputError`, which names the file ``name``, if the pickle is cut short or asks for anything else.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # at an invalid escape sequence, Python only warns
            for instruction, argument in _instructions(data):
                if instruction == "STOP":
                    return stack.pop()
                _execute(instruction, argument, stack, memo)
    except _RefusedError as reason:
        raise InvalidInputError(f"{name}: {reason}") from None
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError, StopIteration, Warning):
        pass  # the errors of a stack machine whose program is cut short or is no program
    raise InvalidInputError(f"{name} is not a whole .bin set: it is cut short, or was never a pickle")


def _instructions(data: bytes) -> Iterator[tuple[str, Any]]:
    """Each instruction's name and argument."""
    file = BytesIO(data)
    while code := file.read(1):
        opcode = _OPCODES.get(code[0])
        if opcode is None:
            raise ValueError
        if opcode.name == "STRING":  # Python 2 writes bytes with escapes; pickletools accepts ASCII only
            argument: Any = codecs.escape_decode(file.readline().strip()[1:-1])[0]
        else:
            argument = None if opcode.arg is None else opcode.arg.reader(file)
        yield opcode.name, argument


def _execute(instruction: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    match instruction:
        case "PROTO" | "FRAME":
            pass
        case "MARK":
            stack.append(_MARK)
        case "EMPTY_LIST":
            stack.append([])
        case "LIST":
            stack.append(_pop_to_mark(stack))
        case "TUPLE":
            stack.append(tuple(_pop_to_mark(stack)))
        case "APPEND":
            item = stack.pop()
            _top_list(stack).append(item)
        case "APPENDS":
            items = _pop_to_mark(stack)
            _top_list(stack).extend(items)
        case "MEMOIZE":
            memo[len(memo)] = stack[-1]
        case "GLOBAL":
            stack.append(_allowed_global(argument))
        case "STACK_GLOBAL":
            attribute = stack.pop()
            module = stack.pop()
            stack.append(_allowed_global(f"{module} {attribute}"))
        case "REDUCE":
            arguments = stack.pop()
            function = stack.pop()
            stack.append(_call(function, arguments))
        case "BUILD":
            state = stack.pop()
            _set_state(stack[-1], state)
        case _ if instruction in _CONSTANTS:
            stack.append(_CONSTANTS[instruction])
        case _ if instruction in _NUMBERS or instruction in _TEXTS:
            stack.append(argument)
        case _ if instruction in _BYTE_STRINGS:
            stack.append(argument.encode("latin-1") if isinstance(argument, str) else bytes(argument))
        case _ if instruction in _TUPLES:
            size = _TUPLES[instruction]
            items = stack[len(stack) - size :]
            del stack[len(stack) - size :]
            stack.append(tuple(items))
        case _ if instruction in _PUTS:
            memo[argument] = stack[-1]
        case _ if instruction in _GETS:
            stack.append(memo[argument])
        case _:
            raise _RefusedError(f"a .bin set has no use for the pickle instruction {instruction}; it is not read")


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    mark = next(index for index in reversed(range(len(stack))) if stack[index] is _MARK)
    items = stack[mark + 1 :]
    del stack[mark:]
    return items


def _top_list(stack: list[Any]) -> list[Any]:
    assert isinstance(stack[-1], list)
    return stack[-1]


def _allowed_global(name: str) -> _Global:
    if name not in _ALLOWED:
        raise _RefusedError(f"the file asks for {name.replace(' ', '.')}, which a .bin set has no use for; nothing was run")
    return _Global(name)


def _call(function: Any, arguments: tuple[Any, ...]) -> Any:
    """The result that a known call would have, without calling anything."""
    name = function.name
    if name in _BYTES_TYPES and len(arguments) < 2:
        return _bytes(arguments[0]) if arguments else b""
    if name in _BYTES_MAKERS | _BYTES_TYPES and _text(arguments[1]) in ("latin1", "latin-1"):
        return arguments[0].encode("latin-1")
    if name == "numpy dtype":
        return _ElementType(_text(arguments[0]))
    if name in _RECONSTRUCT:
        return Array("")
    if name in _FROM_BUFFER:
        buffer, element = arguments[:2]
        return Array(element.name, element.byte_order, _bytes(buffer))
    if name in _SCALAR:
        element, buffer = arguments
        return Array(element.name, element.byte_order, _bytes(buffer))
    raise _RefusedError(f"{name.replace(' ', '.')} is called in a way that a .bin set has no use for; nothing was run")


def _set_state(target: Any, state: tuple[Any, ...]) -> None:
    """Give an element type the order of its bytes, or an array its element type and what it holds."""
    if isinstance(target, _ElementType):
        target.byte_order = ">" if _text(state[1]) == ">" else "<"
        return
    assert isinstance(target, Array)
    _, _, element, _, held = state
    target.element = element.name
    target.byte_order = element.byte_order
    if element.name.startswith("O"):
        assert isinstance(held, list)
        target.objects = held
    else:
        target.data = _bytes(held)


def _bytes(value: Any) -> bytes:
    assert isinstance(value, bytes)  # bytes(n) of a number n would allocate n zeros
    return value


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
