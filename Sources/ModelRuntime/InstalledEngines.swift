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

    /// The one engine that there is so far.
    package static let llama = "llama.cpp"

    private let locate: @Sendable () throws(RuntimeError) -> String
    private let probe: @Sendable (String) async throws(RuntimeError) -> EngineBinary
    private var found: (binary: EngineBinary, file: FileIdentity)?

    /// Looks for `llama-server` as `lookup` says.
    package init(lookup: EngineLookup) {
        self.init(locate: { () throws(RuntimeError) in try lookup.path() })
    }

    /// `probe` asks a program for its version and flags.
    package init(
        locate: @escaping @Sendable () throws(RuntimeError) -> String,
        probe: @escaping @Sendable (String) async throws(RuntimeError) -> EngineBinary = { path throws(RuntimeError) in
            try await EngineBinary.probe(path: path)
        }
    ) {
        self.locate = locate
        self.probe = probe
    }

    /// One engine that is known already, for as long as its file stays.
    package init(_ binary: EngineBinary) {
        self.init(locate: { binary.path }, probe: { _ in binary })
    }

    /// The program of an engine, asked again where its file is another than before; `anew` asks in any case, for a
    /// program behind a script may have changed where the script did not. Throws `engineMissing` where the device has
    /// none of that name, `engineNotStarted` where it does not run.
    package func binary(_ name: String, anew: Bool = false) async throws(RuntimeError) -> EngineBinary {
        guard name == Self.llama else {
            throw RuntimeError(
                .engineMissing, "The engine \(name) is not allowed on this device; allowed: \(Self.llama).",
                remedy: "Assign releases for \(Self.llama).")
        }
        let path = try locate()
        if !anew, let found, found.binary.path == path, FileIdentity(path) == found.file { return found.binary }
        return try await ask(path)
    }

    /// Name and version of each engine. One that does not tell its version is there all the same, and too old for
    /// whatever demands one; one that is not found or does not run is not there.
    package func versions(anew: Bool) async -> [String: String] {
        do throws(RuntimeError) {
            let binary = try await binary(Self.llama, anew: anew)
            return [binary.name: binary.version ?? "unknown"]
        } catch {
            return [:]
        }
    }

    private func ask(_ path: String) async throws(RuntimeError) -> EngineBinary {
        found = nil
        // The file before the answer: what is replaced meanwhile is asked again next time.
        let file = FileIdentity(path)
        let binary = try await probe(path)
        found = file.map { (binary, $0) }
        return binary
    }
}
