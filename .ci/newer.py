"""Fails if a package of `cargo metadata` (on stdin) asks for a newer Rust than the one given."""

import json
import sys


def parts(version):
    return [int(part) for part in version.split(".")]


limit = parts(sys.argv[1])
packages = json.load(sys.stdin)["packages"]
newer = [p for p in packages if parts(p["rust_version"] or "0")[: len(limit)] > limit]
for p in newer:
    print(f"{p['name']} {p['version']} asks for Rust {p['rust_version']}")
print(f"{len(packages)} packages, {len(newer)} of which ask for more than {sys.argv[1]}")
sys.exit(bool(newer))
