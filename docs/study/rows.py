#!/usr/bin/env python3
"""Rows for `cachat eval` out of any text file with a document per line or paragraph.

    rows.py quotes TEXT WORDS COUNT SEED > rows.jsonl
    rows.py leads TEXT WORDS COUNT SEED > rows.jsonl
    rows.py code FOLDER WORDS COUNT SEED > rows.jsonl

quotes: a context is a run of documents (a line each) of about WORDS words. It has five questions: three ask how a sentence
of the text goes on (ROUGE-L with what stands there), two ask which of four sentences is in the text, the others being
from documents outside of the context (a letter).
leads: the same contexts; what every report is about is asked for, and the reports' first sentences are what is wanted (ROUGE-L).
code: WORDS words of a Python file of FOLDER; the next line is wanted (LongBench's `lcc`).
"""
import json, pathlib, random, re, sys

kind, path, words, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
rng = random.Random(seed)
docs = [] if kind == "code" else [d.strip() for d in open(path, encoding="utf-8") if len(d.split()) > 60]

def sentences(text):
    return [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text) if 14 <= len(s.split()) <= 32]

def code(i):
    files = sorted(pathlib.Path(path).rglob("*.py"))
    while True:
        lines = rng.choice(files).read_text(encoding="utf-8", errors="ignore").split("\n")
        at = rng.randrange(len(lines))
        start, n = at, 0
        while start > 0 and n < words:
            start -= 1
            n += len(lines[start].split())
        wanted = lines[at].strip()
        if n >= words and 12 <= len(wanted) <= 80 and not wanted.startswith(("#", '"', "'")):
            return {"input": "", "context": "\n".join(lines[start:at]) + "\n", "answers": [lines[at]], "length": n,
                    "dataset": "lcc", "language": "python", "all_classes": None, "_id": f"{seed}-{i}"}

def row(i):
    start, context = rng.randrange(len(docs)), []
    used = set()
    for k in range(len(docs)):
        at = (start + k) % len(docs)
        if sum(len(d.split()) for d in context) > words:
            break
        context.append(docs[at]); used.add(at)
    text = "\n\n".join(context)
    if kind == "leads":
        leads = [re.split(r"(?<=[.!?])\s+(?=[A-Z])", d)[0] for d in context]
        return {"context": text, "questions": ["Say in one sentence for each of the reports above what it is about."],
                "answers": [["\n".join(leads)]], "metric": "rouge-l", "max_tokens": 160, "dataset": "leads", "id": f"{seed}-{i}"}
    inside = [s for d in context for s in sentences(d)]
    outside = [s for j, d in enumerate(docs) if j not in used for s in sentences(d)]
    begins = lambda s: " ".join(s.split()[:6])
    quotable = [s for s in inside if text.count(begins(s)) == 1]
    rng.shuffle(quotable)
    questions, answers, metrics, tokens = [], [], [], []
    for n in range(5):
        if n % 2 == 0:
            s = quotable.pop()
            questions.append(f'One sentence of the text begins with "{begins(s)}". How does this sentence go on? Answer with the rest of the sentence only.')
            answers.append([" ".join(s.split()[6:])]); metrics.append("rouge-l"); tokens.append(48)
        else:
            s = quotable.pop(); options = rng.sample(outside, 3); at = rng.randrange(4); options.insert(at, s)
            listed = "\n".join(f"{'ABCD'[k]}. {o}" for k, o in enumerate(options))
            questions.append(f"Which of these sentences stands in the text?\n{listed}\nAnswer with its letter only.")
            answers.append(["ABCD"[at]]); metrics.append("choice"); tokens.append(8)
    return {"context": text, "questions": questions, "answers": answers, "metric": metrics, "max_tokens": max(tokens), "dataset": "quotes", "id": f"{seed}-{i}"}

for i in range(count):
    print(json.dumps(code(i) if kind == "code" else row(i)))
