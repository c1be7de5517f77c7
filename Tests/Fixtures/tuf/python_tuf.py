"""Writes a repository with python-tuf, and reads one with python-tuf's client. See README.md."""

import datetime
import hashlib
import json
import pathlib
import sys
import tempfile

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from tuf.ngclient import FetcherInterface, Updater

EXPIRES = datetime.datetime(2049, 12, 31, tzinfo=datetime.timezone.utc)


def target(path: str, custom: dict | None = None) -> TargetFile:
    file = TargetFile.from_data(path, f"content of {path}".encode(), ["sha256", "sha512"])
    if custom is not None:
        file.unrecognized_fields["custom"] = custom
    return file


def make(folder: pathlib.Path) -> None:
    """A repository with every feature that clients must read."""
    folder.mkdir(parents=True, exist_ok=True)
    ed, ec, rsa = CryptoSigner.generate_ed25519, CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa
    keys = {"root": [ed()], "timestamp": [ec()], "snapshot": [ed()], "targets": [rsa(), ed()]}
    meta: dict[str, MetaFile] = {}

    def write(name: str, metadata: Metadata, signers: list) -> bytes:
        for signer in signers:
            metadata.sign(signer, append=True)
        data = metadata.to_bytes(JSONSerializer(compact=False))
        (folder / name).write_bytes(data)
        return data

    def write_targets(role: str, targets: Targets, signers: list) -> None:
        data = write(f"{targets.version}.{role.replace('/', '%2F')}.json", Metadata(targets), signers)
        meta[f"{role}.json"] = MetaFile.from_data(targets.version, data, ["sha256"])

    root = Root(expires=EXPIRES, consistent_snapshot=True)
    for role, signers in keys.items():
        for signer in signers:
            root.add_key(signer.public_key, role)
    root.roles["targets"].threshold = 2
    root.unrecognized_fields["x-unknown"] = {"ünïcode": ["\\\"", None, True, -1]}
    write("1.root.json", Metadata(root), keys["root"])
    fresh = [ec(), rsa()]
    for signer in keys["root"]:
        root.revoke_key(signer.public_key.keyid, "root")
    for signer in fresh:
        root.add_key(signer.public_key, "root")
    root.roles["root"].threshold = 2
    root.version = 2
    write("2.root.json", Metadata(root), keys["root"] + fresh)

    team, hashed, bins = [ed(), ec()], [ed()], [rsa()]
    hashed_path = "hashed/target"
    prefix = hashlib.sha256(hashed_path.encode()).hexdigest()[:2]
    top = Targets(version=3, expires=EXPIRES)
    top.targets["top.txt"] = target("top.txt", {"text": "zweizeilig\n\tü \\ \"", "list": [1, {"b": 2, "a": 1}]})
    top.delegations = Delegations({}, {})
    for name, signers, threshold, terminating, paths, prefixes in [
        ("team/one", team, 2, False, ["team/*", "team/?/[ab]*"], None),
        ("hashed", hashed, 1, False, None, [prefix]),
        ("bins", bins, 1, True, ["bins/*/*"], None),
    ]:
        top.delegations.roles[name] = DelegatedRole(name, [], threshold, terminating, paths, prefixes)
        for signer in signers:
            top.add_key(signer.public_key, name)
    write_targets("targets", top, keys["targets"])

    one = Targets(expires=EXPIRES)
    for path in ["team/a", "team/x/bcd"]:
        one.targets[path] = target(path)
    write_targets("team/one", one, team)
    two = Targets(expires=EXPIRES)
    two.targets[hashed_path] = target(hashed_path)
    write_targets("hashed", two, hashed)

    succinct = SuccinctRoles([], 1, 3, "bin")
    middle = Targets(expires=EXPIRES, delegations=Delegations({}, succinct_roles=succinct))
    for signer in bins:
        middle.add_key(signer.public_key, "bin-0")
    write_targets("bins", middle, bins)
    contents = {name: Targets(expires=EXPIRES) for name in succinct.get_roles()}
    binned = [f"bins/t{index}/1.0.{index}" for index in range(20)]
    for path in binned:
        contents[succinct.get_role_for_target(path)].targets[path] = target(path)
    for name, bin_targets in contents.items():
        write_targets(name, bin_targets, bins)

    snapshot_data = write("5.snapshot.json", Metadata(Snapshot(version=5, expires=EXPIRES, meta=meta)), keys["snapshot"])
    timestamp = Timestamp(version=7, expires=EXPIRES, snapshot_meta=MetaFile.from_data(5, snapshot_data, ["sha512"]))
    write("timestamp.json", Metadata(timestamp), keys["timestamp"])
    found = ["top.txt", "team/a", "team/x/bcd", hashed_path, *binned]
    expected = {
        "targets": {path: hashlib.sha256(f"content of {path}".encode()).hexdigest() for path in found},
        "absent": ["team/c", "team/x/cde", "bins/t0/9.9.9", "nowhere"],
        "keyids": {key.keyid: key.to_dict() for key in root.keys.values()},
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


class FolderFetcher(FetcherInterface):
    """Reads metadata from a folder; file names are those of the URL, still encoded."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def _fetch(self, url: str):
        file = self.folder / url.rpartition("/")[2]
        if not file.exists():
            raise DownloadHTTPError(f"no {file.name}", 404)
        yield file.read_bytes()


def check(folder: pathlib.Path, now: int, targets: list[str]) -> None:
    """Prints what python-tuf's client finds in a repository, as JSON: path to hash, or to null."""
    with tempfile.TemporaryDirectory() as scratch:
        updater = Updater(
            scratch, "http://repository/", fetcher=FolderFetcher(folder), bootstrap=(folder / "1.root.json").read_bytes()
        )
        updater._trusted_set.reference_time = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
        updater.refresh()
        found = {path: updater.get_targetinfo(path) for path in targets}
        print(json.dumps({path: info and info.hashes["sha256"] for path, info in found.items()}))
    for file in folder.glob("*.json"):
        if file.name != "expected.json":
            Metadata.from_bytes(file.read_bytes())


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
else:
    check(pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
