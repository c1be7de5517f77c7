"""The peer of the trust figures, and the server of both: a file server that counts bytes, and python-tuf's client.

serve FOLDER            serves FOLDER at a free port, prints the port; GET /count tells the bytes sent since the last
check URL FOLDER DIR    refreshes and looks for the assigned release and its floor; prints time and memory as JSON
"""

import http.server
import json
import os
import pathlib
import sys
import threading
import time


class Handler(http.server.SimpleHTTPRequestHandler):
    """Counts heads and bodies as they go out."""

    protocol_version = "HTTP/1.1"
    # Head and body leave together: else the kernel waits 40 ms between them.
    wbufsize = 65536
    disable_nagle_algorithm = True
    sent = 0
    lock = threading.Lock()

    def do_GET(self):
        if self.path == "/count":
            with Handler.lock:
                body, Handler.sent = str(Handler.sent).encode(), 0
            self.answer(200, body)
            with Handler.lock:
                Handler.sent = 0
            return
        file = pathlib.Path(self.directory) / self.path.split("?")[0].lstrip("/")
        self.answer(200, file.read_bytes()) if file.is_file() else self.answer(404, b"{}")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with Handler.lock:
            Handler.sent += len(body) + sum(map(len, self._headers_buffer)) + 2
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def serve(folder):
    def handler(*arguments):
        return Handler(*arguments, directory=folder)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def check(url, folder, scratch):
    from tuf.ngclient import Updater

    root = (pathlib.Path(folder) / "tuf/1.root.json").read_bytes()
    os.makedirs(scratch, exist_ok=True)
    start = time.monotonic()
    updater = Updater(scratch, url + "/tuf/", bootstrap=root)
    updater.config.prefix_targets_with_hash = False
    # Its own limits are for smaller repositories.
    updater.config.targets_max_length = 8 * 1024 * 1024
    updater.refresh()
    if updater.get_targetinfo("clinic/triage/1.0.0") is None:
        sys.exit("python-tuf does not find the release")
    updater.get_targetinfo("clinic/triage/floor")
    spent = (time.monotonic() - start) * 1000
    status = pathlib.Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"milliseconds": spent, "peakKilobytes": peak}))


serve(*sys.argv[2:]) if sys.argv[1] == "serve" else check(*sys.argv[2:])
