"""Makes models/vitals: two tiny ONNX classifiers, an evaluation set and probes, with Python's standard library alone.

The task: name the urgency of a patient's vital signs (heart rate, temperature, oxygen saturation, systolic pressure) as
green, yellow or red. The rows are synthetic, drawn with a seed; the rule is below. The models are softmax regressions
over scaled features: v1 saw 40 rows, v2 saw 2000. Run it anew and the same bytes come out.
"""

import json
import math
import pathlib
import random
import struct

LABELS = ["green", "yellow", "red"]
MIDDLE = [85.0, 37.2, 95.5, 122.0]
WIDTH = [18.0, 0.9, 3.0, 20.0]


def points(row):
    rate, heat, oxygen, pressure = row
    return (
        (rate - 85) / 30 + (heat - 37.2) / 1.2 + (95.5 - oxygen) / 3.2 + abs(pressure - 122) / 60
    )


def label(row):
    score = points(row)
    return 0 if score < 0.2 else 1 if score < 1.4 else 2


def draw(count, seed):
    source = random.Random(seed)
    rows = []
    while len(rows) < count:
        row = [
            round(source.gauss(85, 18)), round(source.gauss(37.2, 0.9), 1),
            round(min(100, source.gauss(95.5, 3))), round(source.gauss(122, 20)),
        ]
        # The labels take turns, so that any even part of a set is balanced.
        if label(row) == len(rows) % 3:
            rows.append(row)
    return rows


def features(row):
    scaled = [(value - middle) / width for value, middle, width in zip(row, MIDDLE, WIDTH)]
    return scaled + [scaled[3] * scaled[3]]


def train(rows, rounds):
    weights = [[0.0] * 3 for _ in range(5)]
    bias = [0.0] * 3
    for _ in range(rounds):
        slope = [[0.0] * 3 for _ in range(5)]
        lean = [0.0] * 3
        for row in rows:
            values = features(row)
            sums = [bias[k] + sum(values[i] * weights[i][k] for i in range(5)) for k in range(3)]
            top = max(sums)
            powers = [math.exp(value - top) for value in sums]
            total = sum(powers)
            for k in range(3):
                error = powers[k] / total - (1 if label(row) == k else 0)
                lean[k] += error
                for i in range(5):
                    slope[i][k] += error * values[i]
        for k in range(3):
            bias[k] -= 0.5 * lean[k] / len(rows)
            for i in range(5):
                weights[i][k] -= 0.5 * slope[i][k] / len(rows)
    return weights, bias


# ONNX is protobuf (onnx/onnx.proto, IR version 8, opset 13): fields by number, written by hand.


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tensor(name, dims, values):
    raw = struct.pack(f"<{len(values)}f", *values)
    return b"".join(number(1, d) for d in dims) + number(2, 1) + chunk(8, name) + chunk(9, raw)


def node(kind, inputs, output, attributes=b""):
    return b"".join(chunk(1, i) for i in inputs) + chunk(2, output) + chunk(3, output) + chunk(4, kind) + attributes


def value_info(name, width):
    dims = chunk(1, chunk(2, "rows")) + chunk(1, number(1, width))
    return chunk(1, name) + chunk(2, chunk(1, number(1, 1) + chunk(2, dims)))


def model(weights, bias, version):
    axis = chunk(5, chunk(1, "axis") + number(3, 1) + number(20, 2))
    scale = [1 / width for width in WIDTH]
    spread = [1.0 if row == column else 0.0 for row in range(4) for column in range(4)]
    last = [1.0 if row == 3 else 0.0 for row in range(4)]
    nodes = [
        node("Sub", ["features", "middle"], "moved"),
        node("Mul", ["moved", "scale"], "scaled"),
        node("MatMul", ["scaled", "spread"], "same"),
        node("MatMul", ["scaled", "last"], "pressure"),
        node("Mul", ["pressure", "pressure"], "square"),
        node("Concat", ["same", "square"], "inputs", axis),
        node("MatMul", ["inputs", "weights"], "sums"),
        node("Add", ["sums", "bias"], "logits"),
        node("Softmax", ["logits"], "scores", axis),
    ]
    tensors = [
        tensor("middle", [4], MIDDLE), tensor("scale", [4], scale), tensor("spread", [4, 4], spread),
        tensor("last", [4, 1], last), tensor("weights", [5, 3], [w for row in weights for w in row]),
        tensor("bias", [3], bias),
    ]
    graph = b"".join(chunk(1, n) for n in nodes) + chunk(2, "vitals") + b"".join(chunk(5, t) for t in tensors)
    graph += chunk(11, value_info("features", 4)) + chunk(12, value_info("scores", 3))
    notes = {"labels": ",".join(LABELS), "version": version}
    return (
        number(1, 8) + chunk(2, "martlet-fixtures") + chunk(7, graph) + chunk(8, chunk(1, "") + number(2, 13))
        + b"".join(chunk(14, chunk(1, key) + chunk(2, text)) for key, text in sorted(notes.items()))
    )


def accuracy(weights, bias, rows):
    right = 0
    for row in rows:
        values = features(row)
        sums = [bias[k] + sum(values[i] * weights[i][k] for i in range(5)) for k in range(3)]
        right += sums.index(max(sums)) == label(row)
    return right


def question(row):
    return {"path": "/classify", "body": {"features": row}, "answer": "/label"}


folder = pathlib.Path(__file__).parent.parent / "models" / "vitals"
folder.mkdir(parents=True, exist_ok=True)
held = draw(60, 7)
for name, count, rounds in [("1", 40, 12), ("2", 2000, 200)]:
    weights, bias = train(draw(count, 100 + count), rounds)
    print(f"v{name}: {accuracy(weights, bias, held)} of {len(held)}")
    (folder / f"vitals-v{name}.onnx").write_bytes(model(weights, bias, name))
lines = [{"request": question(row), "expected": LABELS[label(row)]} for row in held]
(folder / "vitals-eval-60.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
probes = [
    {"request": question([70, 36.6, 99, 120]), "pattern": "^green$"},
    {"request": question([140, 40.1, 84, 190]), "pattern": "^red$"},
    {"request": {"path": "/classify", "body": {"features": [70, 36.6, 99, 120]}}, "schema": {
        "type": "object", "required": ["label", "scores"],
        "properties": {"label": {"enum": LABELS}, "scores": {"type": "object"}}}},
]
(folder / "vitals-probes.json").write_text(json.dumps(probes, indent=1) + "\n")
