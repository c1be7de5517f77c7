import Foundation

/// Programs that tests use where they are installed.
public enum Installed {
    /// The path of a program on `PATH`, or where Debian puts those of the administrator.
    public static func program(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"]
        return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Whether this run is of full counts (`make test-full`), for which everything was installed: then nothing is
    /// skipped because it is missing.
    public static let everything = (Int(ProcessInfo.processInfo.environment["MARTLET_SCALE"] ?? "") ?? 1) > 1

    /// A file of a Debian package below `/usr/lib/<architecture>`.
    static func library(_ name: String) -> String? {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib")) ?? []
        return ([""] + folders.filter { $0.hasSuffix("-linux-gnu") }.map { $0 + "/" })
            .map { "/usr/lib/\($0)\(name)" }.first { FileManager.default.fileExists(atPath: $0) }
    }
}

/// A PKCS#11 token made of files: SoftHSM, as `scripts/bootstrap.sh full` installs it.
public struct SoftToken: Sendable {
    /// Its label in URIs.
    public let label: String
    /// The user's PIN.
    public let pin = "48151623"
    /// What a program needs to find the token.
    public let environment: [String: String]
    private let module: String

    /// Whether SoftHSM, its tool and OpenSSL's engine for PKCS#11 are installed.
    public static var isInstalled: Bool {
        Installed.library("softhsm/libsofthsm2.so") != nil && Installed.library("engines-3/pkcs11.so") != nil
            && Installed.program("softhsm2-util") != nil && Installed.program("pkcs11-tool") != nil
    }

    /// The tokens of this process, whose environment names them: SoftHSM reads it once.
    public static let shared = Task {
        let folder = try TemporaryFolder("hsm")
        let token = try await SoftToken("martlet", in: folder.path)
        for (name, value) in token.environment { setenv(name, value, 1) }
        return Shared(
            folder: folder, token: token, release: try await token.makeKey("release"),
            other: try await token.makeKey("other", id: "02"), mixed: try await SoftToken("mixed", in: folder.path),
            locked: try await SoftToken("locked", in: folder.path))
    }

    /// What tests of one process share.
    public struct Shared: Sendable {
        private let folder: TemporaryFolder
        /// A token with two keys.
        public let token: SoftToken
        /// The URI of a key of `token`.
        public let release: String
        /// The same of its other one.
        public let other: String
        /// Tokens without keys, for one test each.
        public let mixed: SoftToken
        /// The other one.
        public let locked: SoftToken

        fileprivate init(
            folder: TemporaryFolder, token: SoftToken, release: String, other: String, mixed: SoftToken,
            locked: SoftToken
        ) {
            self.folder = folder
            self.token = token
            self.release = release
            self.other = other
            self.mixed = mixed
            self.locked = locked
        }
    }

    /// Makes a token, with others of the same folder beside it.
    public init(_ label: String, in folder: String) async throws {
        self.label = label
        module = Installed.library("softhsm/libsofthsm2.so") ?? ""
        let configuration = folder + "/softhsm2.conf"
        try FileManager.default.createDirectory(atPath: folder + "/tokens", withIntermediateDirectories: true)
        try Data("directories.tokendir = \(folder)/tokens\nlog.level = ERROR\n".utf8)
            .write(to: URL(fileURLWithPath: configuration))
        environment = ["SOFTHSM2_CONF": configuration, "PKCS11_MODULE_PATH": module]
        try await tool(
            "softhsm2-util", ["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "87654321"])
    }

    /// Makes a key that never leaves the token, of a curve as `pkcs11-tool` names it; returns its URI.
    public func makeKey(_ name: String, curve: String = "prime256v1", id: String = "01") async throws -> String {
        try await tool(
            "pkcs11-tool",
            [
                "--module", module, "--token-label", label, "--login", "--pin", pin, "--keypairgen", "--key-type",
                "EC:\(curve)", "--label", name, "--id", id, "--sensitive",
            ])
        return "pkcs11:token=\(label);object=\(name)"
    }

    private func tool(_ name: String, _ arguments: [String]) async throws {
        let done = try await run(Installed.program(name) ?? name, arguments, environment: environment)
        guard done.status == 0 else { throw NeverTrue(description: "\(name) \(arguments): \(done.errors)") }
    }
}
