"""Holds a CycloneDX document against the official JSON schema of 1.6, strictly. See README.md."""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path(sys.argv[1]).read_text())
if found:
    sys.exit(f"not valid: {found}")
