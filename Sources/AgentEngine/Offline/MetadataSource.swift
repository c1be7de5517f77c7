internal import BundleFormat
internal import MartletTypes
internal import RegistryClient
internal import Synchronization
internal import TUF
internal import Trust

/// Where this device's metadata comes from: the registry, or for as long as one is taken in, a bundle.
///
/// One client reads from it, whoever it is that speaks, so that two ways never write past each other: each step is
/// checked against what the step before it stored.
final class MetadataSource: MetadataFetcher {
    private let link: RegistryLink
    private let clock: AgentClock
    private let bundle = Mutex<BundleFront?>(nil)

    init(link: RegistryLink, clock: AgentClock) {
        self.link = link
        self.clock = clock
    }

    /// Reads from a bundle until it is set to nil again.
    func use(_ front: BundleFront?) { bundle.withLock { $0 = front } }

    func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        let front = bundle.withLock { $0 }
        let bytes =
            if let front { front.metadata[path] } else {
                try await link.signed { try await $0.fetch(path, limit: limit) }
            }
        // Before anything of it is stored: what is on the disk counts until it ends.
        if let bytes { try (front == nil ? MetadataHorizon.network : .bundle).check(path, bytes, now: clock.now) }
        return bytes
    }

    /// The bytes of the trust document, checked against what metadata says of it.
    func trustDocument(_ file: TargetFile) async throws -> [UInt8] {
        guard let front = bundle.withLock({ $0 }) else {
            return try await link.signed { try await $0.target(TrustDocument.path, file) }
        }
        guard let hash = file.hashes["sha256"], let bytes = front.targets["\(hash.lowercased()).trust.json"] else {
            throw AgentError(
                .bundleRefused, "The bundle has no \(TrustDocument.path).", remedy: AgentError.exportAgain, fault: .peer
            )
        }
        try file.check(bytes, path: TrustDocument.path)
        return bytes
    }
}

extension AgentError {
    static let exportAgain = "Make it again with `martlet export`, on a machine that you trust."

    static func bundleRefused(_ message: String, remedy: String = exportAgain) -> AgentError {
        AgentError(.bundleRefused, message, remedy: remedy, fault: .peer)
    }
}

extension TrustKeeper {
    /// Takes up the metadata of a bundle, as if the registry had sent it. Throws `bundleExpired`, `bundleRefused`.
    ///
    /// `source` must be reading from the bundle.
    func takeUp(_ front: BundleFront) async throws {
        do {
            try await refresh()
            for release in front.releases {
                guard let file = try await tuf.target(release.path.text) else {
                    throw AgentError.bundleRefused(
                        "The bundle's \(release.path.reference) is signed by no publisher, or was withdrawn.")
                }
                guard file.names(release.index.digest, length: release.index.size.bytes) else {
                    throw AgentError.bundleRefused(
                        "The bundle's \(release.path.reference) is not what its publisher signed.")
                }
            }
        } catch let error as TUFError {
            if error.reason == .expired {
                throw AgentError(
                    .bundleExpired, "The bundle's time is over: \(error.message)",
                    remedy: "Make a new one with `martlet export --valid`.", fault: .peer)
            }
            throw AgentError.bundleRefused("The bundle's metadata is refused [\(error.code)]: \(error.message)")
        }
    }
}
