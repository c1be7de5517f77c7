#!/usr/bin/env python3
"""Writes a manual page (mdoc) from what a program says of itself: manpage.py < PROGRAM --experimental-dump-help

Everything in it comes from the program's own help, so that the two never differ. The date is $SOURCE_DATE_EPOCH's.
"""
import json
import os
import re
import sys
import time

SECTION = 1


def quoted(text):
    """Text that mdoc takes as it is: no line of it is a request, and no backslash an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(("\\&" + line) if line[:1] in (".", "'") else line for line in text.split("\n"))


def sentence(text):
    """A line for .Nd: no capital at its start, no full stop at its end."""
    first = text.split(". ")[0].rstrip(".")
    return quoted(first[:1].lower() + first[1:] if first[1:2].islower() else first)


def paragraphs(text):
    """The help's discussion: paragraphs, and indented lines as they stand."""
    out = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        index = 0
        while index < len(lines):
            plain = []
            while index < len(lines) and not lines[index].startswith("  "):
                plain.append(lines[index])
                index += 1
            if plain:
                out += [".Pp", quoted(" ".join(plain))]
            shown = []
            while index < len(lines) and lines[index].startswith("  "):
                shown.append(lines[index])
                index += 1
            if shown:
                out += [".Bd -literal -offset indent", quoted("\n".join(line[2:] for line in shown)), ".Ed"]
    return out


def names(argument):
    """All spellings of an option."""
    return ["--" + n["name"] if n["kind"].startswith("long") and n["kind"] != "longWithSingleDash" else "-" + n["name"]
            for n in argument.get("names", [])]


def usage(argument):
    """How an argument stands in the synopsis, as an mdoc line."""
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        line = "Ar " + quoted(value)
    elif argument["kind"] == "flag":
        line = "Fl " + quoted(names(argument)[0][1:])
    else:
        line = "Fl " + quoted(names(argument)[0][1:]) + " Ar " + quoted(value)
    if argument.get("isRepeating"):
        line += " ..."
    return ".Op " + line if argument.get("isOptional") else "." + line


def entry(argument):
    """An argument with what it means."""
    if argument["kind"] == "positional":
        tag = ".It Ar " + quoted(argument.get("valueName", "value"))
    else:
        tag = ".It " + " , ".join("Fl " + quoted(name[1:]) for name in names(argument))
        if argument["kind"] == "option":
            tag += " Ar " + quoted(argument.get("valueName", "value"))
    lines = [tag]
    for text in (argument.get("abstract"), argument.get("discussion")):
        if text:
            lines.append(quoted(text.strip()))
    if argument.get("defaultValue"):
        lines.append("The default is " + quoted(argument["defaultValue"]) + ".")
    return lines


def shown(items):
    """Those that the help shows, without what every command has."""
    return [i for i in items or [] if i.get("shouldDisplay", True)
            and not {"--help", "--version"} & set(names(i) if "kind" in i else [])]


def commands(command, path):
    """The command and all below it, with their paths."""
    yield command, path
    for sub in command.get("subcommands") or []:
        if sub.get("shouldDisplay", True) and sub["commandName"] != "help":
            yield from commands(sub, path + [sub["commandName"]])


def page(root):
    name = root["commandName"]
    date = time.strftime("%B %d, %Y", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    out = [f".Dd {date}", f".Dt {name.upper()} {SECTION}", ".Os", ".Sh NAME", ".Nm " + name,
           ".Nd " + sentence(root.get("abstract", name)), ".Sh SYNOPSIS", ".Nm", ".Ar command", ".Op Ar options"]
    out += [".Sh DESCRIPTION", quoted(root.get("abstract", ""))] + paragraphs(root.get("discussion", ""))
    out += [".Sh COMMANDS"]
    for command, path in list(commands(root, []))[1:]:
        arguments = shown(command.get("arguments"))
        if shown(command.get("subcommands")) and not arguments:
            continue
        out += [".Ss " + name + " " + " ".join(quoted(word) for word in path)]
        out += [quoted(command.get("abstract", ""))] + paragraphs(command.get("discussion", ""))
        if arguments:
            out += [".Pp", ".Bl -tag -width indent"]
            for argument in arguments:
                out += entry(argument)
            out += [".El"]
    out += [".Sh SEE ALSO", "/usr/share/doc/martlet"]
    return "\n".join(line for line in out if line) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)["command"]))
