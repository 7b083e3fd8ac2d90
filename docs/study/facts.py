#!/usr/bin/env python3
"""Rows for `cachat eval` with ten facts in a text and a question about each.

    facts.py TEXT WORDS COUNT SEED > facts.jsonl

TEXT has a document per line; a context is WORDS words of a run of them, with a sentence about an access code in each tenth.
"""
import json, random, sys

path, words, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
docs = [d.strip() for d in open(path, encoding="utf-8") if len(d.split()) > 60]
A = """amber brisk calm dusty eager frosty gentle hollow ivory jolly keen lively mellow noble olive proud quiet rusty silver tidy
urban vivid warm young zesty""".split()
N = """anchor bridge cabin dragon engine falcon garden harbor island jacket kettle lantern mirror needle orchard piano quarry river
saddle temple umbrella violin window yacht zipper""".split()

for i in range(count):
    start, text, k = rng.randrange(len(docs)), [], 0
    while sum(len(t.split()) for t in text) < words:
        text.append(docs[(start + k) % len(docs)])
        k += 1
    body = " ".join(text).split()[:words]
    names = [f"{a} {n}" for a, n in zip(rng.sample(A, 10), rng.sample(N, 10))]
    codes = [str(rng.randrange(10000, 99999)) for _ in names]
    for j, (name, code) in enumerate(zip(names, codes)):
        at = int(len(body) * (j + rng.random()) / 10)
        while at < len(body) and not body[at - 1].endswith((".", "?", "!")):
            at += 1
        body[at:at] = f"The access code of the {name} is {code}.".split()
    order = list(range(10))
    rng.shuffle(order)
    questions = [f"What is the access code of the {names[j]}? Answer with the code only." for j in order]
    print(json.dumps({"context": " ".join(body), "questions": questions, "answers": [[codes[j]] for j in order],
                      "metric": "contains", "max_tokens": 12, "dataset": "facts", "id": f"{seed}-{i}"}))
