#!/usr/bin/env python3
"""Means of every policy in each kind of task, out of runs of `cachat eval`.

    means.py FOLDER...

Runs over the same texts (seed, limit) count as one. `mean` is that of the kinds, not of the texts, and the distance to the full cache (KL) that of the answers.
"""
import collections, json, pathlib, statistics, sys

scores, kls, order = collections.defaultdict(lambda: collections.defaultdict(list)), collections.defaultdict(list), []
for folder in sys.argv[1:]:
    for line in open(pathlib.Path(folder) / "answers.jsonl", encoding="utf-8"):
        r = json.loads(line)
        if r["stop"] == "no room":
            continue
        kind = r["task"] if r["task"] not in ("plain", "longbench") else r["dataset"] or r["task"]
        row = (r["budget"], r["policy"])
        if row not in order:
            order.append(row)
        scores[row][kind, r["sample"]].append(100 * r["score"])
        if r["kl"] is not None:
            kls[row].append(r["kl"])
kinds = sorted({kind for of in scores.values() for kind, _ in of})
texts = {kind: len({s for of in scores.values() for k, s in of if k == kind}) for kind in kinds}
print("| budget | policy | " + " | ".join(f"{kind} ({texts[kind]})" for kind in kinds) + " | mean | KL |")
print("|---|---|" + "---|" * (len(kinds) + 2))
budget = lambda row: (row[0] != "all", int(row[0]) if row[0].isdigit() else 0)
for row in sorted(order, key=budget):
    means = []
    for kind in kinds:
        of_kind = [statistics.fmean(s) for (k, _), s in scores[row].items() if k == kind]
        means.append(statistics.fmean(of_kind) if of_kind else float("nan"))
    kl = f"{statistics.fmean(kls[row]):.2f}" if kls[row] else "–"
    print(f"| {row[0]} | {row[1]} | " + " | ".join(f"{m:.0f}" for m in means) + f" | {statistics.fmean(means):.1f} | {kl} |")
