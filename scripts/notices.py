#!/usr/bin/env python3
"""Prints the licence texts and copyright notices that stand in single files of a package: notices.py FOLDER

Each text once, word for word, with the first of the files that it heads: of C every notice, since what a package has taken
over from elsewhere has its licence often nowhere else; of Swift those that give a licence themselves. Tests are left out."""
import pathlib
import re
import sys

ENDS = {".c", ".cc", ".h", ".inc", ".S", ".swift"}
COMMENT = re.compile(r"(?:#[^\n]*\n|\s)*((?:/\*.*?\*/\s*|//[^\n]*\n\s*)+)", re.DOTALL)
# More than the longest head of a file.
HEAD_CHARACTERS = 40_000

folder = pathlib.Path(sys.argv[1])
texts: dict[str, list[str]] = {}
for file in sorted(folder.rglob("*")):
    name = file.relative_to(folder)
    if file.suffix not in ENDS or "Tests" in name.parts or not file.is_file():
        continue
    with file.open(encoding="utf-8", errors="replace") as source:
        comment = COMMENT.match(source.read(HEAD_CHARACTERS))
    text = comment.group(1).strip() if comment else ""
    wanted = r"permission is hereby|redistribution and use" if file.suffix == ".swift" else r"copyright|licen[cs]e"
    if re.search(wanted, text, re.IGNORECASE):
        texts.setdefault(text, []).append(str(name))
for text, files in texts.items():
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    print(f"== {files[0]}{more}\n\n{text}\n")
