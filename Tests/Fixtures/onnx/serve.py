"""Serves one ONNX classifier over HTTP on a UNIX socket: a classic model as a declared engine of the agent.

GET /health    503 while the model is loaded, then 200
POST /classify {"features": [numbers]} -> {"label": "...", "scores": {"...": number}, "model": "VERSION"}
"""

import argparse
import http.server
import json
import os
import socketserver
import threading

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--socket", required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--version", action="version", version="vitals-server 1.2.0")
options = parser.parse_args()


class Model:
    def __init__(self):
        self.session = None

    def load(self):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
        except Exception as problem:  # Whatever is wrong with the file: no engine without a model.
            print(f"the model cannot be loaded: {problem}", flush=True)
            os._exit(2)
        notes = session.get_modelmeta().custom_metadata_map
        self.labels = notes["labels"].split(",")
        self.version = notes["version"]
        self.width = session.get_inputs()[0].shape[1]
        self.session = session

    def classify(self, features):
        import numpy

        row = numpy.array([features], dtype=numpy.float32)
        scores = self.session.run(["scores"], {"features": row})[0][0]
        best = int(scores.argmax())
        return {
            "label": self.labels[best],
            "scores": {name: round(float(score), 6) for name, score in zip(self.labels, scores)},
            "model": self.version,
        }


model = Model()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path != "/health":
            return self.reply(404, {"error": "nothing here"})
        self.reply(200 if model.session else 503, {"status": "ready" if model.session else "loading"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/classify":
            return self.reply(404, {"error": "nothing here"})
        if not model.session:
            return self.reply(503, {"error": "the model is being loaded"})
        try:
            features = json.loads(body)["features"]
            if len(features) != model.width or not all(isinstance(value, (int, float)) for value in features):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            return self.reply(400, {"error": f"features must be {model.width} numbers"})
        self.reply(200, model.classify(features))

    def address_string(self):
        return "local"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(options.socket, Handler)
threading.Thread(target=model.load, daemon=True).start()
server.serve_forever()
