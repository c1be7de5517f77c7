internal import Glibc

/// The engines that this device allows, as they are now: a program that was installed, replaced or removed while the
/// agent runs is asked anew.
package actor InstalledEngines {
    /// Tells one file from another that took its place.
    private struct FileIdentity: Equatable {
        let device: UInt64
        let inode: UInt64
        let seconds: Int
        let nanoseconds: Int
        let bytes: Int64

        /// Nil where there is no such file.
        init?(_ path: String) {
            var info = stat()
            guard stat(path, &info) == 0 else { return nil }
            device = UInt64(info.st_dev)
            inode = UInt64(info.st_ino)
            seconds = info.st_mtim.tv_sec
            nanoseconds = info.st_mtim.tv_nsec
            bytes = Int64(info.st_size)
        }
    }

    /// The engine that every device knows.
    package static let llama = "llama.cpp"

    private let locate: @Sendable () throws(RuntimeError) -> String
    private let probe: @Sendable (String) async throws(RuntimeError) -> EngineBinary
    /// Those that the owner declared, by name.
    private let declared: [String: ProcessEngine]
    private var found: [String: (binary: EngineBinary, file: FileIdentity)] = [:]

    /// Looks for `llama-server` as `lookup` says; `declared` are the owner's own engines.
    package init(lookup: EngineLookup, declared: [ProcessEngine] = []) {
        self.init(locate: { () throws(RuntimeError) in try lookup.path() }, declared: declared)
    }

    /// `probe` asks a program for its version and flags.
    package init(
        locate: @escaping @Sendable () throws(RuntimeError) -> String,
        probe: @escaping @Sendable (String) async throws(RuntimeError) -> EngineBinary = { path throws(RuntimeError) in
            try await EngineBinary.probe(path: path)
        }, declared: [ProcessEngine] = []
    ) {
        self.locate = locate
        self.probe = probe
        self.declared = Dictionary(declared.map { ($0.name, $0) }) { first, _ in first }
    }

    /// One engine that is known already, for as long as its file stays.
    package init(_ binary: EngineBinary, declared: [ProcessEngine] = []) {
        self.init(locate: { binary.path }, probe: { _ in binary }, declared: declared)
    }

    /// The program of an engine, asked again where its file is another than before; `anew` asks in any case, for a
    /// program behind a script may have changed where the script did not. Throws `engineMissing` where the device has
    /// none of that name, `engineNotStarted` where it does not run.
    package func binary(_ name: String, anew: Bool = false) async throws(RuntimeError) -> EngineBinary {
        let path: String
        if name == Self.llama {
            path = try locate()
        } else if let engine = declared[name] {
            path = engine.command[0]
        } else {
            let known = ([Self.llama] + declared.keys.sorted()).joined(separator: ", ")
            throw RuntimeError(
                .engineMissing, "The engine \(name) is not allowed on this device; allowed: \(known).",
                remedy: "Assign releases for one of them, or declare it in the agent's configuration (engines).")
        }
        if !anew, let known = found[name], known.binary.path == path, FileIdentity(path) == known.file {
            return known.binary
        }
        return try await ask(name, path)
    }

    /// The program that a generation runs by: its own build's, else the device's. Throws as `binary` does.
    package func binary(
        for spec: EngineSpec, confinement: Confinement
    ) async throws(RuntimeError) -> EngineBinary {
        guard let path = spec.program else { return try await binary(spec.engine) }
        if let known = found[path], FileIdentity(path) == known.file { return known.binary }
        let file = FileIdentity(path)
        let binary = try await EngineBinary.probe(name: spec.engine, path: path, confinement: confinement)
        found[path] = file.map { (binary, $0) }
        return binary
    }

    /// What must be known of an engine to watch and ask it.
    package nonisolated func traits(_ name: String) -> EngineTraits { declared[name]?.traits ?? .llama }

    /// Name and version of each engine. One that does not tell its version is there all the same, and too old for
    /// whatever demands one; one that is not found or does not run is not there.
    package func versions(anew: Bool) async -> [String: String] {
        var versions: [String: String] = [:]
        for name in [Self.llama] + declared.keys.sorted() {
            do throws(RuntimeError) {
                versions[name] = try await binary(name, anew: anew).version ?? "unknown"
            } catch {
                continue
            }
        }
        return versions
    }

    private func ask(_ name: String, _ path: String) async throws(RuntimeError) -> EngineBinary {
        found[name] = nil
        // The file before the answer: what is replaced meanwhile is asked again next time.
        let file = FileIdentity(path)
        let binary: EngineBinary
        if let engine = declared[name] {
            binary = try await EngineBinary.probe(engine)
        } else {
            binary = try await probe(path)
        }
        found[name] = file.map { (binary, $0) }
        return binary
    }
}
