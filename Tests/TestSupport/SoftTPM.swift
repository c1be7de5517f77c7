import Foundation

/// A TPM 2.0 in software: `swtpm`, as `scripts/bootstrap.sh full` installs it.
///
/// It serves one connection at a time and, without a resource manager, holds three keys that are not persistent.
public final class SoftTPM: Sendable {
    /// What programs need to find it: those of OpenSSL's provider, and of tpm2-tools.
    public let environment: [String: String]
    private let process: RunningProcess
    private let folder: String

    /// Whether swtpm, the tools and OpenSSL's provider are installed.
    public static var isInstalled: Bool {
        Installed.library("ossl-modules/tpm2.so") != nil && Installed.library("libtss2-tcti-swtpm.so.0") != nil
            && ["swtpm", "tpm2_create", "tpm2_evictcontrol"].allSatisfy { Installed.program($0) != nil }
    }

    /// The TPM of this process, whose environment names it: OpenSSL's provider connects once in a process, and then no
    /// tool can speak to it any more, so that all its keys are made first.
    public static let shared = Task {
        let folder = try TemporaryFolder("tpm")
        let tpm = try await SoftTPM(in: folder.path)
        let shared = Shared(
            folder: folder, tpm: tpm, persistent: try await tpm.makePersistentKey(),
            locked: try await tpm.makePersistentKey("0x81000002", authorization: "open sesame"),
            wrapped: folder.file("wrapped.pem"))
        try await tpm.makeWrappedKey(shared.wrapped)
        for (name, value) in tpm.environment { setenv(name, value, 1) }
        return shared
    }

    /// What tests of one process share.
    public struct Shared: Sendable {
        private let folder: TemporaryFolder
        private let tpm: SoftTPM
        /// The URI of a key that the TPM keeps.
        public let persistent: String
        /// The same of one whose authorization value is `open sesame`.
        public let locked: String
        /// A PEM file with a key that the TPM has wrapped.
        public let wrapped: String

        fileprivate init(folder: TemporaryFolder, tpm: SoftTPM, persistent: String, locked: String, wrapped: String) {
            self.folder = folder
            self.tpm = tpm
            self.persistent = persistent
            self.locked = locked
            self.wrapped = wrapped
        }
    }

    /// Starts a TPM that keeps its state in `folder`, which should have a short path: it holds a socket.
    public init(in folder: String) async throws {
        self.folder = folder
        let socket = folder + "/tpm.sock"
        environment = ["TPM2OPENSSL_TCTI": "swtpm:path=\(socket)", "TPM2TOOLS_TCTI": "swtpm:path=\(socket)"]
        process = try RunningProcess(
            "/bin/sh",
            [
                "-c", Self.boundToUs, "sh", String(getpid()), Installed.program("swtpm") ?? "swtpm", "socket", "--tpm2",
                "--tpmstate", "dir=\(folder)", "--server", "type=unixio,path=\(socket)", "--ctrl",
                "type=unixio,path=\(socket).ctrl", "--flags", "not-need-init,startup-clear",
            ], log: folder + "/swtpm.log")
        try await eventually(within: 20, "swtpm listens") { FileManager.default.fileExists(atPath: socket) }
    }

    /// Ends the TPM with whoever started it: what tests of a process share is never let go of.
    private static let boundToUs = """
        owner=$1; shift
        "$@" & tpm=$!
        trap 'kill "$tpm"; exit' TERM
        while kill -0 "$owner" && kill -0 "$tpm"; do sleep 0.5; done 2>/dev/null
        kill "$tpm"
        """

    /// Makes a P-256 key that stays in the TPM; returns its URI. `authorization` is what OpenSSL calls a passphrase.
    public func makePersistentKey(_ handle: String = "0x81000001", authorization: String? = nil) async throws -> String
    {
        let context = { (name: String) in "\(self.folder)/\(name)" }
        try await tool("tpm2_createprimary", ["-Q", "-C", "o", "-G", "ecc256", "-c", context("primary")])
        let secret = authorization.map { ["-p", $0] } ?? []
        try await tool(
            "tpm2_create",
            [
                "-Q", "-C", context("primary"), "-G", "ecc256", "-u", context("public"), "-r", context("private"), "-a",
                "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda",
            ] + secret)
        try await tool(
            "tpm2_load",
            ["-Q", "-C", context("primary"), "-u", context("public"), "-r", context("private"), "-c", context("key")])
        try await tool("tpm2_evictcontrol", ["-Q", "-C", "o", "-c", context("key"), handle])
        return "handle:\(handle)"
    }

    /// Makes a P-256 key that the TPM has wrapped, in a PEM file.
    public func makeWrappedKey(_ path: String) async throws {
        try await tool(
            "openssl",
            [
                "genpkey", "-provider", "tpm2", "-provider", "default", "-algorithm", "EC", "-pkeyopt", "group:P-256",
                "-out", path,
            ])
        try await flush()
    }

    /// Runs a tool and takes back what it left in the TPM's few places.
    private func tool(_ name: String, _ arguments: [String]) async throws {
        let done = try await run(Installed.program(name) ?? name, arguments, environment: environment)
        guard done.status == 0 else { throw NeverTrue(description: "\(name) \(arguments): \(done.errors)") }
        if name != "openssl" { try await flush() }
    }

    private func flush() async throws {
        _ = try await run(Installed.program("tpm2_flushcontext") ?? "", ["-t"], environment: environment)
    }
}
