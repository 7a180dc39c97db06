"""Drops the debug information of a Wasm module, but not the names of its functions: python3 strip_debug.py FILE."""

import sys


def number(module, at):
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = module[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def sections(module):
    """Each section: where it begins and ends, and the name of a custom one."""
    at = 8
    while at < len(module):
        start, kind = at, module[at]
        size, body = number(module, at + 1)
        at = body + size
        name = b""
        if kind == 0:
            length, text = number(module, body)
            name = module[text : text + length]
        yield start, at, name


with open(sys.argv[1], "rb") as file:
    module = file.read()
kept = [module[start:end] for start, end, name in sections(module) if not name.startswith(b".debug")]
with open(sys.argv[1], "wb") as file:
    file.write(module[:8] + b"".join(kept))
