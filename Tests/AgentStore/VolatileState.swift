import Glibc

/// What is not on the disk yet: contents that were not synchronised, and entries of folders that were not.
///
/// `lose` does what POSIX lets a power cut do at worst: every entry and byte that nobody waited for is gone. Moving an
/// entry between folders is one change, as on every journaling file system, and is kept by synchronising either.
struct VolatileState: Sendable {
    private enum Change: Sendable {
        case made(String)
        case renamed(source: String, target: String, former: Former?)
        case removed(String, Former)
    }

    /// What stood at a path before.
    private enum Former: Sendable {
        case file(backup: String)
        case link(String)
        case folder
    }

    private let scratch: String?
    private var changes: [(folders: Set<String>, change: Change)] = []
    /// Bytes on the disk of files that hold more.
    private var lengths: [String: Int] = [:]
    private var backups = 0

    /// Without `scratch` nothing is recorded.
    init(scratch: String? = nil) { self.scratch = scratch }

    mutating func willMake(_ path: String) {
        guard scratch != nil, Self.kind(path) == nil else { return }
        changes.append(([Self.folder(path)], .made(path)))
    }

    mutating func willRename(_ source: String, _ target: String) {
        guard scratch != nil, Self.kind(source) != nil else { return }
        let former = keep(target)
        // A folder is the same one under its new name; what happened in it waits for that name now.
        for index in changes.indices {
            changes[index].folders = Set(changes[index].folders.map { Self.moved($0, source, target) })
        }
        lengths = Dictionary(
            lengths.map { (Self.moved($0.key, source, target), $0.value) }, uniquingKeysWith: { first, _ in first })
        changes.append(
            ([Self.folder(source), Self.folder(target)], .renamed(source: source, target: target, former: former)))
    }

    mutating func willRemove(_ path: String) {
        guard scratch != nil, let former = keep(path) else { return }
        lengths[path] = nil
        changes.append(([Self.folder(path)], .removed(path, former)))
    }

    mutating func willWrite(_ path: String) {
        guard scratch != nil, lengths[path] == nil else { return }
        var status = stat()
        lengths[path] = lstat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    mutating func didSynchronize(file path: String) { lengths[path] = nil }

    mutating func didSynchronize(folder path: String) {
        var kept: [(folders: Set<String>, change: Change)] = []
        for entry in changes {
            guard entry.folders.contains(path) else {
                kept.append(entry)
                continue
            }
            guard case .renamed(let source, let target, _) = entry.change else { continue }
            // The move is on the disk, so what was moved is too, and what came before has its new name.
            kept.removeAll { if case .made(source) = $0.change { true } else { false } }
            for index in kept.indices { kept[index].change = Self.moved(kept[index].change, source, target) }
        }
        changes = kept
    }

    /// Takes away what was not synchronised.
    mutating func lose() {
        for (path, length) in lengths { _ = truncate(path, length) }
        for (_, change) in changes.reversed() {
            switch change {
            case .made(let path): Self.removeTree(path)
            case .renamed(let source, let target, let former):
                _ = Glibc.rename(target, source)
                if let former { Self.restore(former, at: target) }
            case .removed(let path, let former): Self.restore(former, at: path)
            }
        }
        lengths = [:]
        changes = []
    }

    private mutating func keep(_ path: String) -> Former? {
        guard let scratch else { return nil }
        switch Self.kind(path) {
        case S_IFREG:
            backups += 1
            let backup = "\(scratch)/\(backups)"
            _ = Glibc.link(path, backup)
            return .file(backup: backup)
        case S_IFLNK:
            var buffer = [UInt8](repeating: 0, count: 1024)
            let count = buffer.withUnsafeMutableBytes { raw in
                raw.baseAddress.map { readlink(path, $0, raw.count) } ?? -1
            }
            return .link(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))
        case S_IFDIR: return .folder
        default: return nil
        }
    }

    private static func restore(_ former: Former, at path: String) {
        switch former {
        case .file(let backup): _ = Glibc.link(backup, path)
        case .link(let destination): _ = symlink(destination, path)
        case .folder: _ = mkdir(path, 0o755)
        }
    }

    private static func moved(_ change: Change, _ source: String, _ target: String) -> Change {
        switch change {
        case .made(let path): .made(moved(path, source, target))
        case .renamed(let from, let to, let former):
            .renamed(source: moved(from, source, target), target: moved(to, source, target), former: former)
        case .removed(let path, let former): .removed(moved(path, source, target), former)
        }
    }

    private static func moved(_ path: String, _ source: String, _ target: String) -> String {
        if path == source { return target }
        return path.hasPrefix(source + "/") ? target + path.dropFirst(source.count) : path
    }

    private static func kind(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    private static func folder(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    private static func removeTree(_ path: String) {
        if kind(path) == S_IFDIR, let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
                }
                if name != ".", name != ".." { removeTree("\(path)/\(name)") }
            }
            closedir(folder)
        }
        _ = Glibc.remove(path)
    }
}
