"""What ptxas says of each kernel (`-Xptxas -v`, from stdin), as a table; fails if one spills registers."""

import re
import sys

seen, spilled, name, card, stores, loads = 0, [], "", "", 0, 0
for line in sys.stdin:
    if found := re.search(r"Compiling entry function '(\w+)' for '(\w+)'", line):
        name, card = found.groups()
        stores = loads = 0
    elif found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
        # A function that is not inlined has a line of its own: its spills are its kernel's.
        stores, loads = stores + int(found[1]), loads + int(found[2])
    elif name and (found := re.search(r"Used (\d+) registers", line)):
        shared = re.search(r"(\d+) bytes smem", line)
        print(f"{card:7} {name:32} {found[1]:>4} registers {shared[1] if shared else 0:>6} B shared")
        if stores or loads:
            spilled.append(f"{card} {name} spills: {stores} B stored, {loads} B loaded")
        name, seen = "", seen + 1
    elif "ptxas info" not in line and line.strip():
        print(line, end="")
if not seen:
    spilled.append("no kernel was compiled")
for line in spilled:
    print(line)
sys.exit(bool(spilled))
