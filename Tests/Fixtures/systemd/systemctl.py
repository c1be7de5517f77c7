#!/usr/bin/env python3
"""A stand-in for systemctl and the systemd behind it, for machines without: it starts real processes as the unit file
says, outlives its caller, and answers as systemctl does.

    systemctl.py --state DIR --unit TEMPLATE --program FILE --folder DIR VERB ...

--program takes the place of the unit's program, --folder that of %S. Sandboxing is left out: that is what the machine of
scripts/boot-test.sh shows.
"""
import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

CLEAN = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}


class Unit:
    """One unit's state, a file that is replaced as a whole."""

    def __init__(self, options, name):
        self.options, self.name = options, name
        self.path = os.path.join(options.state, name + ".json")

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def write(self, **values):
        temporary = f"{self.path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(values, file)
        os.rename(temporary, self.path)

    def forget(self):
        if os.path.exists(self.path):
            os.unlink(self.path)

    def settings(self):
        """The unit file's keys, specifiers filled in."""
        instance = self.name.split("@", 1)[1].removesuffix(".service")
        plain = re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), instance.replace("-", "/"))
        values = {}
        with open(self.options.unit, encoding="utf-8") as file:
            for line in file:
                if "=" in line and not line.startswith("#"):
                    key, value = line.rstrip("\n").split("=", 1)
                    for specifier, text in (("%S", self.options.folder), ("%I", plain), ("%i", instance)):
                        value = value.replace(specifier, text)
                    values.setdefault(key, []).append(value)
        return values


def fail(message, code=1):
    print(message, file=sys.stderr)
    sys.exit(code)


def start(unit):
    state = unit.read()
    if state and state["ActiveState"] == "active":
        return
    settings = unit.settings()
    for path in settings.get("AssertPathExists", []):
        if not os.path.exists(path):
            fail(f"Assertion failed on job for {unit.name}.")
    command = shlex.split(settings["ExecStart"][0])
    environment = dict(v.split("=", 1) for v in settings.get("Environment", []))
    ready, told = os.pipe()
    if os.fork() == 0:
        # What systemd does: watches the process, and outlives whoever asked.
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        os.close(ready)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.umask(int(settings.get("UMask", ["0022"])[0], 8))
        process = subprocess.Popen([unit.options.program] + command[1:], env=environment, start_new_session=True)
        unit.write(ActiveState="active", MainPID=process.pid, ExecMainCode=0, ExecMainStatus=0)
        os.write(told, b"x")
        os.close(told)
        status = process.wait()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if status == 0 or -status in CLEAN:
            # CollectMode=inactive: what ended well is forgotten.
            unit.forget()
        else:
            code, value = (1, status) if status > 0 else (2, -status)
            unit.write(ActiveState="failed", MainPID=0, ExecMainCode=code, ExecMainStatus=value)
        os._exit(0)
    os.close(told)
    if os.read(ready, 1) != b"x":
        fail(f"Job for {unit.name} failed.")
    # A test's wish: an answer that comes too late for a process that ends soon.
    while os.path.exists(os.path.join(unit.options.state, "late")):
        state = unit.read()
        if not state or state["ActiveState"] != "active":
            break
        time.sleep(0.01)


def kill(unit, number):
    state = unit.read()
    if not state or state["ActiveState"] != "active":
        fail(f"Failed to kill unit {unit.name}: No process to kill")
    try:
        os.killpg(state["MainPID"], number)
    except ProcessLookupError:
        pass


def stop(unit):
    state = unit.read()
    if not state:
        return
    if state["ActiveState"] == "active":
        kill(unit, signal.SIGTERM)
        patience = float(unit.settings().get("TimeoutStopSec", ["90"])[0])
        end = time.monotonic() + patience
        while (state := unit.read()) and state["ActiveState"] == "active":
            if time.monotonic() > end:
                kill(unit, signal.SIGKILL)
            time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser()
    for name in ("state", "unit", "program", "folder"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("verb")
    options, rest = parser.parse_known_args()
    os.makedirs(options.state, exist_ok=True)
    flags = [r for r in rest if r.startswith("--")]
    names = [r for r in rest if not r.startswith("--")]
    with open(os.path.join(options.state, "log"), "a", encoding="utf-8") as log:
        log.write(" ".join([options.verb] + rest) + "\n")
    if options.verb == "list-units":
        for file in sorted(os.listdir(options.state)):
            if file.endswith(".service.json"):
                print(file.removesuffix(".json"), "loaded", "x", "x", "x")
        return
    if options.verb == "list-jobs":
        path = os.path.join(options.state, "jobs")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                print(file.read())
        return
    unit = Unit(options, names[0])
    if options.verb == "start":
        start(unit)
    elif options.verb == "stop":
        stop(unit)
    elif options.verb == "kill":
        kill(unit, int(flags[0].split("=")[1]))
    elif options.verb == "reset-failed":
        state = unit.read()
        if not state:
            fail(f"Failed to reset failed state of unit {unit.name}: Unit {unit.name} not loaded.")
        if state["ActiveState"] == "failed":
            unit.forget()
    elif options.verb == "show":
        state = unit.read() or {"ActiveState": "inactive", "MainPID": 0, "ExecMainCode": 0, "ExecMainStatus": 0}
        for key in flags[0].split("=", 1)[1].split(","):
            print(f"{key}={state.get(key, '')}")
    elif options.verb == "set-property":
        # Of a unit that does not run yet it is noted for its start.
        pass
    else:
        fail(f"Unknown command verb '{options.verb}'.")


main()
