#!/usr/bin/env python3
"""The tables of docs/results.md out of runs of `cachat eval`.

    tables.py ONE OTHER FOLDER...

Runs over the same texts (seed, limit) count as one. For each budget: what the full cache, ONE and OTHER score in each kind of task, and the difference of the two over the same texts
with a 95 % bootstrap interval (2,000 draws); `all` is the mean over all texts.
"""
import collections, json, pathlib, random, statistics, sys

one, other, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
scores, kls = collections.defaultdict(list), collections.defaultdict(list)
for folder in folders:
    for line in open(pathlib.Path(folder) / "answers.jsonl", encoding="utf-8"):
        r = json.loads(line)
        if r["stop"] == "no room":
            continue
        kind = r["task"] if r["task"] not in ("plain", "longbench") else r["dataset"] or r["task"]
        key = (kind, f"{kind} {r['length']} {r['sample']}", r["policy"], r["budget"])
        scores[key].append(r["score"])
        if r["kl"] is not None:
            kls[key].append(r["kl"])
mean = {key: statistics.fmean(s) for key, s in scores.items()}
kinds = sorted({key[0] for key in mean})
budgets = sorted({key[3] for key in mean if key[3] != "all"}, key=int)
rng = random.Random(1)

def row(kind, budget):
    texts = [key[:2] for key in mean if key[2] == "full" and kind in (key[0], "all")]
    texts = [t for t in texts if (*t, one, budget) in mean and (*t, other, budget) in mean]
    if not texts:
        return
    of = lambda policy, budget: [100 * mean[(*t, policy, budget)] for t in texts]
    a, b, full = of(one, budget), of(other, budget), of("full", "all")
    kl = lambda policy: statistics.fmean([x for t in texts for x in kls[(*t, policy, budget)]] or [float("nan")])
    diffs = [y - x for x, y in zip(a, b)]
    draws = sorted(statistics.fmean(rng.choices(diffs, k=len(diffs))) for _ in range(2000))
    low, high = draws[50], draws[1949]
    print(f"| {kind} | {len(texts)} | {statistics.fmean(full):.1f} | {statistics.fmean(a):.1f} | {statistics.fmean(b):.1f} | "
          f"{statistics.fmean(diffs):+.1f} ({low:+.1f} – {high:+.1f}) | {kl(one):.2f} → {kl(other):.2f} |")

for budget in budgets:
    print(f"\n{budget} entries per head:\n")
    print(f"| kind | texts | full | {one} | {other} | difference (95 %) | KL |\n|---|---|---|---|---|---|---|")
    for kind in kinds + ["all"]:
        row(kind, budget)
