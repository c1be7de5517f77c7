#!/usr/bin/env python3
"""Accuracy of a model on evaluation sets, through a real llama-server.

    measure.py LLAMA_SERVER MODEL.gguf SET.jsonl… [--lora ADAPTER.gguf] [--rows FILE]

Starts LLAMA_SERVER with one thread on a UNIX socket, asks every row of every set at temperature 0, and prints one line
per set. With --rows the outcome of each row is written to FILE as JSON lines. The format is docs/formats/eval.md.
"""
import argparse
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(path, method, target, body=None):
    """One request; the status and the decoded answer."""
    connection = UnixConnection(path)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, target, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def wait_until_healthy(path, process):
    """Returns once /health says 200; fails when the server exits first."""
    while process.poll() is None:
        try:
            if call(path, "GET", "/health")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"llama-server exited with {process.returncode} while loading")


def answer(path, row):
    """What the model says to one row."""
    messages = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    body = {
        "messages": messages + [{"role": "user", "content": row["input"]}],
        "temperature": 0,
        "seed": 0,
        "max_tokens": row.get("maxTokens", 16),
    }
    if row.get("grammar"):
        body["grammar"] = row["grammar"]
    status, document = call(path, "POST", "/v1/chat/completions", body)
    if status != 200:
        raise SystemExit(f"llama-server answered {status}: {document}")
    return document["choices"][0]["message"]["content"]


def is_right(row, text):
    """The comparison that the row names."""
    comparison = row.get("comparison", "label")
    if comparison == "exact":
        return text == row["expected"]
    if comparison == "contains":
        return row["expected"].lower() in text.lower()
    return text.strip().lower() == row["expected"].strip().lower()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("server")
    arguments.add_argument("model")
    arguments.add_argument("sets", nargs="+")
    arguments.add_argument("--lora")
    arguments.add_argument("--rows")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "llama.sock")
        command = [options.server, "--model", options.model, "--host", path, "--threads", "1", "--parallel", "1"]
        command += ["--ctx-size", "1024", "--no-ui", "--offline", "--no-repack"]
        if options.lora:
            command += ["--lora", options.lora]
        with open(os.path.join(folder, "log"), "w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        outcomes = []
        try:
            wait_until_healthy(path, process)
            for name in options.sets:
                with open(name) as lines:
                    rows = [json.loads(line) for line in lines]
                started, right = time.time(), 0
                for number, row in enumerate(rows):
                    text = answer(path, row)
                    right += is_right(row, text)
                    outcomes.append({"set": name, "row": number, "answer": text, "right": is_right(row, text)})
                seconds = time.time() - started
                print(f"{os.path.basename(name)}: {right}/{len(rows)} = {right / len(rows):.3f} in {seconds:.1f} s", flush=True)
        finally:
            process.kill()
            process.wait()
    if options.rows:
        with open(options.rows, "w") as out:
            out.writelines(json.dumps(outcome) + "\n" for outcome in outcomes)


if __name__ == "__main__":
    main()
