internal import AgentStore
internal import DeviceProfiles
internal import Glibc
internal import MartletTypes
internal import ModelRuntime

extension Doctor {
    /// The data folder: that it is there, whose it is, and that its user may write it.
    func folder(_ patient: Patient) -> Outcome {
        var info = stat()
        guard stat(scene.data, &info) == 0 else {
            let reason = String(cString: strerror(errno))
            let ailment = errno == EACCES ? Ailment.dataUnreadable : .dataMissing
            return .found([ailment.found(at: scene.data, "The data folder is not there: \(reason).")])
        }
        guard info.st_mode & S_IFMT == Glibc.S_IFDIR else {
            return .found([Ailment.dataNotFolder.found(at: scene.data, "This is a file and no folder.")])
        }
        let owner = info.st_uid
        guard geteuid() == 0 || geteuid() == owner else {
            return .skipped("this user is neither root nor the owner of \(scene.data)")
        }
        var findings: [Diagnosis.Finding] = []
        let strangers = parts.filter { part in
            var info = stat()
            return lstat(part, &info) == 0 && info.st_uid != owner
        }
        if let first = strangers.first {
            findings.append(
                Ailment.dataWrongOwner.found(
                    at: first,
                    "It belongs to user \(self.owner(of: first)), and the data folder to user \(owner), as whom the "
                        + "agent runs" + (strangers.count > 1 ? "; so do \(strangers.count - 1) more." : ".")))
        }
        if !isReadOnly, let closed = folders.first(where: { !mayWrite($0, owner) }) {
            findings.append(
                Ailment.dataNotWritable.found(
                    at: closed, "User \(owner), whose the data folder is, may not write there."))
        }
        return .found(findings)
    }

    /// The disk that the data folder is on.
    func disk(_ patient: Patient) -> Outcome {
        if isReadOnly {
            return .found([
                Ailment.dataReadOnly.found(
                    at: scene.data, "The file system of the data folder is mounted read-only.")
            ])
        }
        var disk = statvfs()
        guard statvfs(scene.data, &disk) == 0 else { return .skipped("the data folder is not there") }
        let free = ByteCount(Int64(clamping: UInt64(disk.f_bavail) * UInt64(disk.f_frsize)))
        let isOutOfNames = disk.f_files > 0 && disk.f_favail == 0
        if free < ByteCount(Int64(AgentStoreLimits.probeBytes)) || isOutOfNames {
            let what = isOutOfNames ? "no more files can be made (no free inode)" : "\(free) are free"
            return .found([Ailment.diskFull.found(at: scene.data, "The disk of the data folder is full: \(what).")])
        }
        let size = ByteCount(Int64(clamping: UInt64(disk.f_blocks) * UInt64(disk.f_frsize)))
        let reserve = patient.configuration?.disk.reserve ?? profileReserve(of: size, patient)
        guard free < reserve else { return .found([]) }
        return .found([
            Ailment.diskBelowReserve.found(
                at: scene.data, "\(free) are free, and \(reserve) are to be left to others (diskReserveBytes).")
        ])
    }

    /// What the profile leaves to others on a disk of that size.
    private func profileReserve(of size: ByteCount, _ patient: Patient) -> ByteCount {
        let profile = profile(patient.configuration?.profile, probe.facts())
        return profile?.diskReserve(of: size) ?? DiskBudget.commonReserve
    }

    private var isReadOnly: Bool {
        var disk = statvfs()
        return statvfs(scene.data, &disk) == 0 && disk.f_flag & UInt(ST_RDONLY) != 0
    }

    /// What the agent writes, as far as it is there.
    private var folders: [String] {
        layout.folders.map(\.path).filter { files.status($0)?.kind == .folder }
    }

    private var parts: [String] {
        let documents = [layout.lock, layout.journal, layout.assignment, scene.data + "/agent.json"]
        let identity = names(in: layout.identity).map { "\(layout.identity)/\($0)" }
        let metadata = names(in: layout.metadata).map { "\(layout.metadata)/\($0)" }
        return Array(folders.dropFirst()) + documents + identity + metadata
    }

    private func owner(of path: String) -> uid_t {
        var info = stat()
        return lstat(path, &info) == 0 ? info.st_uid : 0
    }

    /// By the owner's bits, which is what counts for the agent's user; root needs none.
    private func mayWrite(_ path: String, _ owner: uid_t) -> Bool {
        var info = stat()
        guard owner != 0, stat(path, &info) == 0 else { return true }
        return info.st_uid == owner ? info.st_mode & 0o300 == 0o300 : info.st_mode & 0o003 == 0o003
    }
}
