internal import AgentStore
internal import Glibc
internal import MartletTypes

/// Answers `logs` on the control socket: the agent's lines from its ring, the engines' from their files.
package struct LogTeller: Sendable {
    private let ring: LogRing
    private let folder: String

    /// `folder` is that of the engines' logs.
    package init(ring: LogRing, folder: String) {
        self.ring = ring
        self.folder = folder
    }

    /// Sends lines through `send` until all are told, or for as long as it takes them where the request follows.
    func tell(_ request: LogRequest, send: @escaping @Sendable (LogAnswer) async -> Bool) async {
        // Before the last lines are read: what comes in between is told twice rather than never.
        let coming = request.follows ? ring.lines() : nil
        var files = EngineLogFiles(folder: folder, slot: request.slot)
        for line in files.last(request.lines) + ring.last(request.lines, slot: request.slot) {
            guard await send(LogAnswer(line: line)) else { return }
        }
        guard let coming else {
            _ = await send(LogAnswer(end: true))
            return
        }
        let followed = files
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await line in coming where request.slot == nil || line.slot == request.slot {
                    guard await send(LogAnswer(line: line)) else { return }
                }
            }
            group.addTask {
                var files = followed
                while !Task.isCancelled {
                    for line in files.news() {
                        guard await send(LogAnswer(line: line)) else { return }
                    }
                    await Pause.take(AgentLimits.logInterval)
                    // Nothing is sent while nothing is logged: whoever left is noticed by this.
                    guard await send(LogAnswer()) else { return }
                }
            }
            await group.next()
            group.cancelAll()
        }
    }
}

/// The engines' log files, `SLOT.log`, each rotated at a limit.
struct EngineLogFiles {
    private let folder: String
    private let slot: SlotName?
    /// Up to where each was told, by slot.
    private var told: [SlotName: Place] = [:]

    private struct Place {
        var inode: UInt64
        var offset: Int64
    }

    /// Files of one slot alone where it is named.
    init(folder: String, slot: SlotName?) {
        self.folder = folder
        self.slot = slot
    }

    /// The last lines of each, the oldest first.
    mutating func last(_ count: Int) -> [LogLine] { slots.flatMap { lines(of: $0, from: nil).suffix(count) } }

    /// Lines that came since the last look.
    mutating func news() -> [LogLine] {
        slots.flatMap { slot in lines(of: slot, from: told[slot] ?? Place(inode: 0, offset: 0)) }
    }

    private var slots: [SlotName] {
        if let slot { return [slot] }
        do {
            return try RealFileSystem().names(in: folder).filter { $0.hasSuffix(".log") }.compactMap {
                try SlotName(String($0.dropLast(4)))
            }
        } catch {
            return []
        }
    }

    /// Whole lines after a place, of the end of the file alone; nil begins where the file's end does.
    private mutating func lines(of slot: SlotName, from place: Place?) -> [LogLine] {
        let descriptor = open("\(folder)/\(slot).log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == Glibc.S_IFREG else { return [] }
        let size = Int64(info.st_size)
        let inode = UInt64(info.st_ino)
        // Another file, or a shorter one, took its place.
        var start = place.map { $0.inode == inode && $0.offset <= size ? $0.offset : 0 } ?? 0
        let earliest = max(0, size - Int64(AgentLimits.engineLogBytes))
        let isCut = start < earliest
        start = max(start, earliest)
        var bytes = [UInt8](repeating: 0, count: Int(size - start))
        let count = pread(descriptor, &bytes, bytes.count, off_t(start))
        guard count >= 0 else { return [] }
        bytes.removeLast(bytes.count - count)
        // The line that is being written is told when it is whole.
        let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        told[slot] = Place(inode: inode, offset: start + Int64(end))
        var texts = bytes[..<end].split(separator: UInt8(ascii: "\n"))
        if isCut, !texts.isEmpty { texts.removeFirst() }
        return texts.map { LogLine(slot: slot, isEngine: true, text: String(decoding: $0, as: UTF8.self)) }
    }
}
