"""Checks the GPU's kernels in Metal's language, as far as a compiler that is not Apple's can: `metal_stdlib` beside this
file says how. Address spaces, types and names are the compiler's; that every pointer names its space (which OpenCL does
not ask for) is read in the text. With `libclang` of the package index."""

import re
import sys
from pathlib import Path

from clang.cindex import Diagnostic, Index

HERE = Path(__file__).parent
KERNELS = HERE.parent.parent / "src/gpu/kernels"
FLAGS = ["-x", "clcpp", "-cl-std=clc++2021", "-cl-no-stdinc", "-D__METAL_VERSION__=300", f"-I{HERE}", f"-I{KERNELS}"]
FLAGS += ["-Wall", "-Wdouble-promotion", "-Wno-unknown-attributes", "-Wno-unused-function", "-Wno-undefined-internal"]

# What the check has to find, or it checks nothing.
MISTAKES = [
    "KERNEL(wrong, Wrong) { GLOBAL float *to = (GLOBAL float *)0; LOCAL float *from = to; }",
    "DEVICE void wrong(OWN float *to); KERNEL(wrongly, Wrong) { wrong(a.out); }",
    "DEVICE u32 wrong(FIXED const Wrong &a) { return THREAD; }",
    "DEVICE void wrong() { LOCAL float declared[4]; }",
]
WORD = r"(?:float|u8|i8|u16|u32|u64|f16|bf16|void|T|Look|Layer|Stack|Seen|Place|\w+Args)"
SPACE = re.compile(r"\b(GLOBAL|LOCAL|OWN|FIXED|device|threadgroup|thread|constant)\s+(const\s+)?$")


def said(text):
    """What the compiler says of `text` behind the kernels."""
    source = f'#include "all.cpp"\nstruct Wrong {{ GLOBAL float *out; }};\n{text}\n'
    unit = Index.create().parse("checked.cl", args=FLAGS, unsaved_files=[("checked.cl", source)])
    return [str(d) for d in unit.diagnostics if d.severity >= Diagnostic.Warning]


def nowhere(path):
    """Pointers and references without a space."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        code = line.split("//")[0]
        for found in re.finditer(rf"\b{WORD}\s+?\(?[*&]+\s*\w|\b{WORD} [*&]\)", code):
            if not SPACE.search(code[: found.start()]):
                yield f"{path.name}:{number}: a pointer without a space: {line.strip()}"


wrong = said("")
for path in sorted(KERNELS.glob("*.inl")):
    if path.name not in ("tiles.inl", "unpack.inl", "integers.inl", "test.inl"):
        wrong += nowhere(path)
wrong += [f"this mistake is not found: {text}" for text in MISTAKES if not said(text)]
print("\n".join(wrong) or "Metal's dialect: every kernel passes, and every mistake is found")
sys.exit(bool(wrong))
