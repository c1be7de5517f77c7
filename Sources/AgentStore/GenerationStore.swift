package import MartletTypes

/// The generations on disk: one folder each, with its record and links to its blobs, and two links per slot that say
/// which serves. They are what the agent starts from, with or without a journal.
package actor GenerationStore {
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let files: any FileSystem
    private let layout: StoreLayout
    private let thread: StorageThread

    package init(layout: StoreLayout, files: any FileSystem, thread: StorageThread = .documents) {
        self.layout = layout
        self.files = files
        self.thread = thread
    }

    /// Where a generation's file is linked; the engine gets this path.
    package nonisolated func path(of file: GenerationFile, in record: GenerationRecord) -> String {
        "\(layout.generation(record.id, of: record.slot))/\(file.name)"
    }

    /// Makes a generation's folder, whole or not at all.
    package func stage(_ record: GenerationRecord) throws(AgentStoreError) {
        let parent = layout.generations(of: record.slot)
        if files.status(parent) == nil {
            try files.makeFolder(parent, mode: 0o755)
            try files.synchronizeFolder(layout.generations)
        }
        let folder = layout.generation(record.id, of: record.slot)
        let temporary = folder + ".new"
        try files.removeTree(temporary)
        try files.removeTree(folder)
        try files.makeFolder(temporary, mode: 0o755)
        for file in record.files {
            guard Self.isFileName(file.name) else {
                throw AgentStoreError(.malformed, "\"\(file.name)\" is no name for a weight file.")
            }
            try files.link("\(temporary)/\(file.name)", to: layout.relativeBlob(file.digest))
        }
        try files.writeAtomically(try Journal.encode(record), to: "\(temporary)/\(Self.recordName)")
        try files.synchronizeFolder(temporary)
        try files.rename(temporary, to: folder)
        try files.synchronizeFolder(parent)
    }

    /// Points a slot's links at what serves and at what a step back brings.
    package func point(
        _ slot: SlotName, current: GenerationID?, previous: GenerationID?
    ) throws(AgentStoreError) {
        let folder = layout.generations(of: slot)
        guard files.status(folder) != nil else { return }
        for (name, id) in [("previous", previous), ("current", current)] {
            if let id {
                try files.replaceLink("\(folder)/\(name)", to: id.description)
            } else {
                try files.remove("\(folder)/\(name)")
            }
        }
        try files.synchronizeFolder(folder)
    }

    /// Removes the folders of a slot's other generations, and the slot's folder where none is kept. One that cannot be
    /// removed keeps none of the others; the first such error is thrown in the end.
    package func collect(_ slot: SlotName, keeping kept: Set<GenerationID>) throws(AgentStoreError) {
        let folder = layout.generations(of: slot)
        let names = Set(kept.map(\.description)).union(["current", "previous"])
        var failures = FirstFailure()
        for name in try files.names(in: folder) where kept.isEmpty || !names.contains(name) {
            failures.note { () throws(AgentStoreError) in try files.removeTree("\(folder)/\(name)") }
        }
        try failures.end()
        guard kept.isEmpty else { return }
        try files.remove(folder)
        try files.synchronizeFolder(layout.generations)
    }

    /// Removes what an interrupted stage, collection or emptying left: all that no record names. Returns the first
    /// reason why something is still there, which keeps nothing from serving: the next start tries again.
    func collectStrays(_ records: [SlotRecord]) -> AgentStoreError? {
        var failure: AgentStoreError?
        do throws(AgentStoreError) {
            for name in try files.names(in: layout.generations) {
                guard let slot = Self.slot(name) else { continue }
                do throws(AgentStoreError) {
                    try collect(slot, keeping: records.first { $0.slot == slot }?.generations ?? [])
                } catch {
                    failure = failure ?? error
                }
            }
        } catch {
            return error
        }
        return failure
    }

    /// What the links say, for an agent whose journal is lost: the slots with what serves and what served before.
    package func recover() throws(AgentStoreError) -> [SlotRecord] {
        var records: [SlotRecord] = []
        for name in try files.names(in: layout.generations) {
            guard let slot = Self.slot(name) else { continue }
            var record = SlotRecord(slot: slot)
            let found = ["current", "previous"].compactMap { link in
                files.destination(of: "\(layout.generations(of: slot))/\(link)").flatMap { read($0, of: slot) }
            }
            record.current = found.first
            // A crash between the two links leaves both at one generation.
            record.previous = found.first { $0.id != record.current?.id }
            if record.current != nil {
                record.phase = .committed
                records.append(record)
            }
        }
        return records
    }

    /// The highest number that a folder bears; 0 where there is none. A slot's folder that cannot be read counts for
    /// nothing: the journal knows the number too.
    package func highest() throws(AgentStoreError) -> Int64 {
        var highest: Int64 = 0
        for slot in try files.names(in: layout.generations) {
            let names: [String]
            do throws(AgentStoreError) {
                names = try files.names(in: "\(layout.generations)/\(slot)")
            } catch {
                continue
            }
            for name in names { highest = max(highest, Int64(name.prefix { $0 != "." }) ?? 0) }
        }
        return highest
    }

    private func read(_ id: String, of slot: SlotName) -> GenerationRecord? {
        guard let number = Int64(id) else { return nil }
        let path = "\(layout.generation(GenerationID(number), of: slot))/\(Self.recordName)"
        do {
            guard let bytes = try files.contents(of: path) else { return nil }
            let record = try JSONText.decode(GenerationRecord.self, from: bytes)
            return record.slot == slot && record.id.number == number ? record : nil
        } catch {
            return nil
        }
    }

    private static let recordName = "generation.json"

    private static func slot(_ name: String) -> SlotName? {
        do { return try SlotName(name) } catch { return nil }
    }

    private static func isFileName(_ name: String) -> Bool {
        !name.isEmpty && name != recordName && name.first != "." && !name.utf8.contains(UInt8(ascii: "/"))
            && !name.utf8.contains(0)
    }
}
