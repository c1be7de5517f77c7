import AgentStore
import Foundation
import MartletTypes
import TestSupport

/// A device's life as the store sees it, in steps that each can be done again: enrolment, three installations of which
/// one is resumed, a blob that is let go, a renewal, a second slot that comes and goes.
struct StoreStory {
    typealias Step = @Sendable (AgentStore) async throws -> Void

    let steps: [(name: String, run: Step)]

    init() throws {
        let slot = try SlotName("triage")
        let billing = try SlotName("billing")
        let base = Sample.bytes(4_000, seed: 100)
        let adapters = (1...3).map { Sample.bytes(900, seed: 100 + $0) }
        let index = Array("{\"index\":1}".utf8)
        let generations = try (1...3).map {
            try Sample.generation(
                Int64($0), version: "\($0).0.0", weights: [Digest.of(base), Digest.of(adapters[$0 - 1])],
                documents: $0 == 1 ? [Digest.of(index)] : [])
        }
        var steps: [(name: String, run: Step)] = [
            ("enrol", Self.enrol(certificate: "first", root: Array("root".utf8))),
            ("save metadata", { store in for role in ["root", "../x"] { try store.metadata.save(role, [1, 2]) } }),
            ("accept an assignment", Self.accept(1)),
            ("bring a document", { try await $0.blobs.put(index, as: Digest.of(index)) }),
            ("begin a blob", Self.begin(base, length: 1_500)),
            ("go on with the blob", { try await $0.blobs.bring(base) }),
            ("bring an adapter", { try await $0.blobs.bring(adapters[0], pieces: 1) }),
        ]
        steps += Self.install(generations[0], of: slot, previous: nil)
        for number in 1...2 {
            steps += [
                ("accept an assignment", Self.accept(Int64(number + 1))),
                ("bring another adapter", { try await $0.blobs.bring(adapters[number], pieces: 2) }),
            ]
            steps += Self.install(generations[number], of: slot, previous: generations[number - 1])
            steps.append(("collect", Self.collect(slot)))
        }
        let second = try Sample.generation(9, slot: "billing", weights: [Digest.of(base)])
        steps += Self.install(second, of: billing, previous: nil)
        steps += [
            ("renew", Self.enrol(certificate: "second", root: nil)),
            ("save metadata again", { try $0.metadata.save("root", [3]) }),
            ("drop metadata", { try $0.metadata.remove("../x") }),
            ("empty a slot", Self.empty(billing)),
            ("collect at the end", Self.collect(slot)),
        ]
        self.steps = steps
    }

    private static func enrol(certificate: String, root: [UInt8]?) -> Step {
        { store in
            let key = try store.identity.keep(key: Array("key of \(certificate)".utf8))
            var identity = try Sample.identity(key: key, certificate: certificate)
            identity.rootDigest = Digest.of(Array("root".utf8))
            try store.identity.save(identity, root: root)
        }
    }

    private static func accept(_ number: Int64) -> Step {
        { store in
            try await store.accept(assignment: Array("{\"signed\":{\"number\":\(number)}}".utf8), number: number)
        }
    }

    private static func begin(_ bytes: [UInt8], length: Int) -> Step {
        { store in
            let digest = Digest.of(bytes)
            guard !store.blobs.has(digest) else { return }
            let partial = try await store.blobs.open(digest, size: ByteCount(bytes.count))
            defer { partial.close() }
            let offset = Int(partial.offset.bytes)
            if offset < length { try partial.append(bytes[offset..<length]) }
        }
    }

    private static func install(
        _ record: GenerationRecord, of slot: SlotName, previous: GenerationRecord?
    ) -> [(name: String, run: Step)] {
        @Sendable func save(_ phase: SlotPhase, _ change: @escaping @Sendable (inout SlotRecord) -> Void) -> Step {
            { store in
                var state = try await store.journal.slots().first { $0.slot == slot } ?? SlotRecord(slot: slot)
                state.phase = phase
                change(&state)
                try await store.journal.save(state, transition: nil, reports: [[1]])
            }
        }
        return [
            ("plan \(record.id)", save(.fetching) { $0.planned = Array(record.blobs).sorted() }),
            (
                "stage \(record.id)",
                { store in
                    try await store.generations.stage(record)
                    try await save(.starting) { $0.candidate = record }(store)
                }
            ),
            (
                "commit \(record.id)",
                save(.committed) {
                    $0.planned = []
                    $0.candidate = nil
                    $0.current = record
                    $0.previous = previous
                }
            ),
            (
                "point at \(record.id)",
                { try await $0.generations.point(slot, current: record.id, previous: previous?.id) }
            ),
        ]
    }

    private static func collect(_ slot: SlotName) -> Step {
        { store in
            let kept = try await store.journal.slots().first { $0.slot == slot }?.generations ?? []
            try await store.generations.collect(slot, keeping: kept)
            _ = try await store.blobs.collect {
                try await store.journal.slots().reduce(into: []) { $0.formUnion($1.blobs) }
            }
        }
    }

    private static func empty(_ slot: SlotName) -> Step {
        { store in
            try await store.journal.remove(slot, transition: nil, reports: [[2]])
            try await store.generations.collect(slot, keeping: [])
        }
    }
}

/// All that the store knows, read anew from the disk.
struct StoreFindings: Equatable {
    var identity: String?
    var root: [UInt8]?
    var metadata: [String: [UInt8]] = [:]
    var assignment: [UInt8]?
    var number: Int64
    var blobs: Set<Digest> = []
    var slots: [SlotRecord]
    var links: [SlotName: [GenerationID?]] = [:]

    /// Reads, and notes in `faults` what must never be: bytes that are not their name's, links that lead nowhere.
    init(_ store: AgentStore, faults: inout [String]) async throws {
        let files = store.files
        if let device = try store.identity.load() {
            identity =
                "\(device.certificate) with \(String(decoding: try store.identity.key(of: device), as: UTF8.self))"
            root = try store.identity.root()
        }
        for role in ["root", "../x"] { metadata[role] = try store.metadata.load(role) }
        assignment = try store.lastAssignment()
        number = try await store.journal.mark(.assignmentNumber)
        for name in try files.names(in: store.layout.blobs) {
            let path = store.layout.blobs + "/" + name
            let digest = Digest.of(try files.contents(of: path) ?? [])
            if digest.hex != name { faults.append("blob \(name) holds other bytes") }
            if files.status(path)?.mode != 0o444 { faults.append("blob \(name) can be written to") }
            blobs.insert(digest)
        }
        slots = try await store.journal.slots()
        for record in slots {
            for digest in [record.current, record.previous, record.candidate].compactMap(\.self).flatMap(\.blobs)
            where !blobs.contains(digest) { faults.append("\(record.slot) lacks the blob \(digest)") }
            for generation in [record.current, record.previous, record.candidate].compactMap(\.self) {
                for file in generation.files
                where !FileManager.default.isReadableFile(
                    atPath: store.generations.path(of: file, in: generation))
                { faults.append("\(record.slot) \(generation.id) lacks \(file.name)") }
            }
        }
        for found in try await store.generations.recover() {
            links[found.slot] = [found.current?.id, found.previous?.id]
        }
    }

    /// Whether each part is as it was before or as it was to be after; a collection may be half done.
    func faults(before: Self, after: Self) -> [String] {
        var faults: [String] = []
        func check<Value: Equatable>(_ name: String, _ part: (Self) -> Value) {
            if part(self) != part(before), part(self) != part(after) {
                faults.append("\(name) is \(part(self)), neither \(part(before)) nor \(part(after))")
            }
        }
        check("identity", \.identity)
        check("root", \.root)
        for role in ["root", "../x"] { check("metadata \(role)") { $0.metadata[role] } }
        check("assignment", \.assignment)
        check("number", \.number)
        check("slots", \.slots)
        for slot in Set(links.keys).union(before.links.keys) {
            check("what serves in \(slot)") { $0.links[slot]?.first }
        }
        if !blobs.isSuperset(of: before.blobs.intersection(after.blobs)) { faults.append("a blob is gone") }
        if !blobs.isSubset(of: before.blobs.union(after.blobs)) { faults.append("a blob is too many") }
        return faults
    }
}
