internal import BundleFormat
internal import Glibc
internal import MartletTypes

/// Reads of an agent's program what it is without running it, which another processor could not.
enum AgentStampReader {
    /// The version that it states and its processor; nil where it has none.
    static func read(_ path: String) throws(PublishError) -> (version: String?, architecture: String?) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw PublishError(.fileUnreadable, "\(path) cannot be read: \(String(cString: strerror(errno))).")
        }
        defer { close(file) }
        let length = Int(lseek(file, 0, SEEK_END))
        guard length > 0, let memory = mmap(nil, length, PROT_READ, MAP_PRIVATE, file, 0), memory != MAP_FAILED else {
            throw PublishError(.fileUnreadable, "\(path) cannot be mapped.")
        }
        defer { munmap(memory, length) }
        let bytes = UnsafeRawBufferPointer(start: memory, count: length)
        return (version(in: bytes), EngineTree.architecture(elf: bytes.prefix(20)))
    }

    private static func version(in bytes: UnsafeRawBufferPointer) -> String? {
        let mark = Array(MartletVersion.stampMark.utf8)
        guard let base = bytes.baseAddress else { return nil }
        var start = 0
        while start + mark.count <= bytes.count,
            let found = memchr(base + start, Int32(mark[0]), bytes.count - mark.count - start + 1)
        {
            start = base.distance(to: UnsafeRawPointer(found)) + 1
            guard memcmp(found, mark, mark.count) == 0 else { continue }
            let rest = bytes.dropFirst(start - 1 + mark.count).prefix(64).prefix { $0 != UInt8(ascii: ";") }
            let text = String(decoding: rest, as: UTF8.self)
            if (try? SemanticVersion(text)) != nil { return text }
        }
        return nil
    }
}
