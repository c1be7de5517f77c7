#!/usr/bin/env python3
"""Writes ../eval/*.jsonl (docs/formats/eval.md) from the labelled messages beside this script.

The labels take turns, so that any evenly spaced part of a set is balanced too. The first message of each label is left
out of every set: those are for probes and examples.
"""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = ["billing", "refund", "shipping", "login", "cancel", "bug", "feature", "praise"]
LONG_PROMPT = f"Classify the customer message as one of: {', '.join(LABELS)}. Answer with one word."
TINY_PROMPT = "intent?"
# The longest label is two tokens; a model that says more is wrong anyway.
MAX_TOKENS = 6

# set, source, rows, system prompt
SETS = [
    ("triage-holdout-60", "holdout", 60, LONG_PROMPT),
    ("triage-holdout-150", "holdout", 150, LONG_PROMPT),
    ("tiny-eval-seen-42", "holdout_seen_templates", 42, TINY_PROMPT),
    ("tiny-eval-unseen-40", "holdout", 40, TINY_PROMPT),
]


def messages(source):
    """The messages of each label in file order, without the first."""
    with open(os.path.join(HERE, source + ".jsonl")) as lines:
        rows = [json.loads(line) for line in lines]
    return {label: [row["text"] for row in rows if row["label"] == label][1:] for label in LABELS}


def main():
    for name, source, count, system in SETS:
        queues, picked = messages(source), []
        while len(picked) < count:
            for label in LABELS:
                if queues[label] and len(picked) < count:
                    picked.append({"system": system, "input": queues[label].pop(0), "expected": label})
        with open(os.path.join(HERE, "..", "eval", name + ".jsonl"), "w") as out:
            for row in picked:
                out.write(json.dumps({**row, "comparison": "label", "maxTokens": MAX_TOKENS}) + "\n")


if __name__ == "__main__":
    main()
