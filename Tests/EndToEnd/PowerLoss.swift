import CSQLite
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

/// C sources that tests load into real programs.
enum Preload {
    /// Compiles `Tests/Preload/NAME.c` into a folder and returns the library's path.
    static func library(_ name: String, in folder: TemporaryFolder) async throws -> String {
        let path = folder.file(name + ".so")
        let source = "\(Checkout.root)/Tests/Preload/\(name).c"
        try await CCompiler.build(["-shared", "-fPIC", "-O1", "-o", path, "-ldl", "-lpthread", source])
        return path
    }
}

/// The disk below one agent's data folder: what was not synchronised goes when its power is cut, and it fails as told.
///
/// The numbers are those of `powerloss-account.h`; both sides map the file that holds them.
final class PowerLoss: Sendable {
    enum Field: Int {
        case changes, steps, cutAtChange, cutAtStep, cutInStep, cutNow, keepSome, seed, growths, failFrom, failCount
        case failErrno, reads, badFrom, badCount, met
    }

    private let folder: TemporaryFolder
    private let control: String
    let environment: [String: String]

    /// A disk for the data folder `data`; its scratch lies beside it, on the same file system.
    init(_ data: String) async throws {
        folder = try TemporaryFolder("pl")
        control = folder.file("control")
        try Data(count: 16 * 8).write(to: URL(fileURLWithPath: control))
        environment = [
            "LD_PRELOAD": try await Preload.library("powerloss", in: folder), "POWERLOSS_ROOT": data,
            "POWERLOSS_SCRATCH": folder.path, "POWERLOSS_CONTROL": control,
        ]
    }

    subscript(field: Field) -> Int64 {
        get {
            var value: Int64 = 0
            let descriptor = open(control, O_RDONLY)
            defer { close(descriptor) }
            _ = withUnsafeMutableBytes(of: &value) { pread(descriptor, $0.baseAddress, 8, off_t(field.rawValue * 8)) }
            return value
        }
        set {
            var value = newValue
            let descriptor = open(control, O_WRONLY)
            defer { close(descriptor) }
            _ = withUnsafeMutableBytes(of: &value) { pwrite(descriptor, $0.baseAddress, 8, off_t(field.rawValue * 8)) }
        }
    }

    /// Forgets all faults; counts go on.
    func reset() {
        for field in [Field.cutAtChange, .cutAtStep, .cutInStep, .cutNow, .failFrom, .failCount, .badFrom, .badCount] {
            self[field] = 0
        }
    }

    /// Cuts the power now.
    func cut() {
        self[.cutNow] = 1
    }

    /// Lets the next `count` changes that take room fail, from the one after `after` more.
    func fail(_ number: Int32, after: Int64 = 0, count: Int64) {
        self[.failErrno] = Int64(number)
        self[.failCount] = count
        self[.failFrom] = self[.growths] + after + 1
    }

    /// Ends all faults.
    func mend() {
        self[.failFrom] = 0
        self[.badFrom] = 0
    }
}

/// What must be true of a device's data folder and processes whenever nothing is at work there.
struct DataFolder {
    let path: String

    /// Blobs whose bytes are not their name's.
    func rotten() throws -> [String] {
        let folder = path + "/blobs/sha256"
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { name in
            let path = folder + "/" + name
            guard let bytes = FileManager.default.contents(atPath: path) else {
                // What nothing needs any more may be removed while the others are read.
                guard FileManager.default.fileExists(atPath: path) else { return false }
                throw NeverTrue(description: "\(path) cannot be read")
            }
            return Digest.of(Array(bytes)).hex != name
        }
    }

    /// All that no slot needs: blobs, unfinished blobs, blobs put aside, generations, files half written, sockets.
    func leaks() throws -> [String] {
        let records = try slots()
        let blobs = records.reduce(into: Set<String>()) { $0.formUnion($1.blobs) }
        var leaks: [String] = []
        func names(_ folder: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)")) ?? []).sorted()
        }
        leaks += names("blobs/sha256").filter { !blobs.contains($0) }.map { "blob \($0)" }
        leaks += names("partial").map { "partial \($0)" }
        leaks += names("quarantine").map { "put aside \($0)" }
        for slot in names("generations") {
            let kept = records.filter { $0.slot == slot }.reduce(into: Set<String>()) { $0.formUnion($1.generations) }
            let links = kept.union(["current", "previous"])
            leaks += names("generations/\(slot)").filter { !links.contains($0) }.map { "generation \(slot)/\($0)" }
            leaks += names("run/engines/\(slot)").filter { !kept.contains($0) }.map { "socket of \(slot)/\($0)" }
        }
        for case let name as String in FileManager.default.enumerator(atPath: path) ?? .init()
        where name.hasSuffix(".new") { leaks.append(name) }
        return leaks
    }

    /// Engines that were started for this folder, by process id, with their generation's folder.
    func engines() -> [Int32: String] {
        var found: [Int32: String] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(name), let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else {
                continue
            }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.first?.hasSuffix("martlet-agent") == false, words.contains(where: { $0.hasPrefix(path + "/") })
            else { continue }
            found[pid] = words.first { $0.contains("/generations/") } ?? words.joined(separator: " ")
        }
        return found
    }

    struct Slot {
        let slot: String
        let phase: String
        let current: String?
        let blobs: Set<String>
        let generations: Set<String>
    }

    /// The slots as the journal has them, read from outside.
    func slots() throws -> [Slot] {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        guard sqlite3_open_v2(path + "/journal.sqlite", &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK else {
            throw NeverTrue(description: "the journal cannot be read")
        }
        sqlite3_busy_timeout(database, 5000)
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        guard sqlite3_prepare_v2(database, "SELECT record FROM slot", -1, &statement, nil) == SQLITE_OK else {
            throw NeverTrue(description: "the journal has no slots: \(String(cString: sqlite3_errmsg(database)))")
        }
        var slots: [Slot] = []
        while sqlite3_step(statement) == SQLITE_ROW {
            guard let bytes = sqlite3_column_blob(statement, 0) else { continue }
            let body = Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, 0))))
            slots.append(try Self.slot(try JSONValue(parsing: body)))
        }
        return slots
    }

    private static func slot(_ record: JSONValue) throws -> Slot {
        var blobs: Set<String> = []
        var generations: Set<String> = []
        func add(_ value: JSONValue?) {
            if let digest = value?.string?.split(separator: ":").last { blobs.insert(String(digest)) }
        }
        for digest in record["planned"]?.array ?? [] { add(digest) }
        for name in ["current", "previous", "candidate"] {
            guard let generation = record[name] else { continue }
            if let id = generation["id"]?.integer { generations.insert(String(id)) }
            for file in generation["files"]?.array ?? [] { add(file["digest"]) }
            for digest in generation["documents"]?.array ?? [] { add(digest) }
            for name in ["probes", "evaluation", "chatTemplate"] { add(generation[name]) }
        }
        let release = record["current"]?["releases"]?.array?.first?["path"]?.string
        return Slot(
            slot: record["slot"]?.string ?? "", phase: record["phase"]?.string ?? "", current: release, blobs: blobs,
            generations: generations)
    }
}
