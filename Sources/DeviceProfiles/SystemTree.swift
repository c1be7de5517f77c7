internal import Glibc
internal import MartletTypes

/// Reads files below a root, so that a recorded tree of a board can stand in for the machine. Notes what goes wrong.
///
/// Absent is normal (a Pi has no DMI); present and unreadable, too long or senseless is a problem.
struct SystemTree {
    let root: String
    private(set) var problems: [HardwareFacts.Problem] = []

    init(root: String) { self.root = root.hasSuffix("/") ? String(root.dropLast()) : root }

    /// Notes that `path` made no sense.
    mutating func note(_ path: String, _ detail: String) {
        guard problems.count < DeviceProfilesLimits.problems else { return }
        problems.append(.init(path: path, detail: detail))
    }

    /// The bytes of a file; nil where it is absent or, noted, cannot be read.
    mutating func bytes(_ path: String) -> [UInt8]? {
        // O_NONBLOCK: a FIFO in a broken tree must not make the agent wait.
        let descriptor = open(root + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno != ENOENT, errno != ENOTDIR { note(path, "cannot be opened: \(String(cString: strerror(errno)))") }
            return nil
        }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while result.count <= DeviceProfilesLimits.fileBytes {
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return result }
            guard count > 0 else {
                if errno == EINTR { continue }
                // A sensor that is switched off, as on boards that share another's device tree: nothing is wrong.
                if errno == EAGAIN || errno == ENODATA || errno == ENXIO { return nil }
                note(path, "cannot be read: \(String(cString: strerror(errno)))")
                return nil
            }
            result += chunk[..<count]
        }
        note(path, "is longer than \(DeviceProfilesLimits.fileBytes) bytes")
        return nil
    }

    /// The text of a file; nil where absent or, noted, unreadable or not UTF-8.
    mutating func text(_ path: String) -> String? {
        guard let bytes = bytes(path) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            note(path, "is not text")
            return nil
        }
        return text
    }

    /// The first line without surrounding white space and NULs; nil where absent or empty.
    mutating func line(_ path: String) -> String? {
        guard let text = text(path) else { return nil }
        let line = text.split(whereSeparator: { $0 == "\n" || $0 == "\0" }).first.map(Self.trim) ?? ""
        return line.isEmpty ? nil : String(line.prefix(DeviceProfilesLimits.textBytes))
    }

    /// The NUL-separated strings of a device tree property; empty where absent.
    mutating func strings(_ path: String) -> [String] {
        guard let text = text(path) else { return [] }
        return text.split(separator: "\0").prefix(DeviceProfilesLimits.profileListEntries).map {
            String($0.prefix(DeviceProfilesLimits.textBytes))
        }
    }

    /// A whole number; nil where absent or, noted, none.
    mutating func number(_ path: String) -> Int64? {
        guard let line = line(path) else { return nil }
        guard let number = Int64(line) else {
            note(path, "\"\(line.prefix(40))\" is no whole number")
            return nil
        }
        return number
    }

    /// The names in a folder, sorted; empty where it is absent.
    mutating func names(_ path: String) -> [String] {
        guard let folder = opendir(root + path) else {
            if errno != ENOENT, errno != ENOTDIR { note(path, "cannot be listed: \(String(cString: strerror(errno)))") }
            return []
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            guard names.count < DeviceProfilesLimits.folderEntries else {
                note(path, "has more than \(DeviceProfilesLimits.folderEntries) entries")
                break
            }
            names.append(name)
        }
        return names.sorted()
    }

    /// Whether something is there.
    func exists(_ path: String) -> Bool { access(root + path, F_OK) == 0 }

    /// The last component of what a symbolic link points at; nil where it is none.
    func linkName(_ path: String) -> String? { link(path)?.split(separator: "/").last.map(String.init) }

    /// What a symbolic link points at; nil where it is none.
    func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(root + path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Counts a list of processors, e.g. `0-3,5`; nil where it is absent or, noted, none.
    mutating func count(_ path: String) -> Int? {
        guard let line = line(path) else { return nil }
        guard let count = Self.count(list: line) else {
            note(path, "\"\(line.prefix(40))\" is no list of processors")
            return nil
        }
        return count
    }

    /// The length of a list of processors; nil where it is none or longer than any machine's.
    static func count(list: String) -> Int? {
        var count = 0
        for range in list.split(separator: ",") {
            let ends = range.split(separator: "-", maxSplits: 1).map { Int($0) }
            guard let first = ends.first.flatMap(\.self), let last = ends.last.flatMap(\.self), first >= 0,
                last >= first, last < 1 << 20
            else { return nil }
            count += last - first + 1
        }
        return (1...1 << 20).contains(count) ? count : nil
    }

    static func trim(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
