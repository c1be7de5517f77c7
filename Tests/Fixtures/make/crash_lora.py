#!/usr/bin/env python3
"""Writes a LoRA adapter that is a flawless GGUF file and still stops llama-server while it loads.

    crash_lora.py OUT.gguf WIDTH      WIDTH is the embedding length of the base (256 tiny, 576 SmolLM2-135M)

Two defects that only the engine meets: "adapter.lora.alpha" is an integer where the engine asserts a float (it
aborts), and the two halves of the one adapted tensor differ in rank (it would refuse them).
"""
import struct
import sys

UINT32, FLOAT32, STRING = 4, 6, 8  # GGUF value types
F16 = 1  # GGML tensor type
ALIGNMENT = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    payload = text(value) if kind == STRING else struct.pack("<I" if kind == UINT32 else "<f", value)
    return text(key) + struct.pack("<I", kind) + payload


def padded(data):
    return data + b"\0" * (-len(data) % ALIGNMENT)


def main():
    out, width = sys.argv[1], int(sys.argv[2])
    metadata = [
        pair("general.architecture", STRING, "llama"),
        pair("general.type", STRING, "adapter"),
        pair("general.name", STRING, "crash on load"),
        pair("general.license", STRING, "apache-2.0"),
        pair("adapter.type", STRING, "lora"),
        pair("adapter.lora.alpha", UINT32, 16),
    ]
    tensors, body = [], b""
    for name, shape in (("lora_a", (width, 8)), ("lora_b", (4, width))):
        entry = text(f"blk.0.attn_q.weight.{name}") + struct.pack("<I", len(shape)) + struct.pack("<QQ", *shape)
        tensors.append(entry + struct.pack("<IQ", F16, len(body)))
        body += padded(struct.pack("<e", 0.01) * (shape[0] * shape[1]))
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    with open(out, "wb") as file:
        file.write(padded(header + b"".join(metadata) + b"".join(tensors)) + body)


if __name__ == "__main__":
    main()
