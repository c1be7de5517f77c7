import Foundation
import MartletTypes
import Publishing
import RegistryClient
import TUF
import TestSupport
import Trust

/// A registry with trust made, a publisher of `clinic`, and a folder.
final class PublishingFixture: Sendable {
    static let now = Timestamp(seconds: 1_800_000_000)
    static let clock: Clock = { now }

    let registry: FakeRegistry
    let folder: TemporaryFolder
    let http: HTTPClient
    let rootKey: KeyPair
    let owner: KeyPair
    let publisher: KeyPair
    let root: [UInt8]

    init() async throws {
        registry = try FakeRegistry(clock: Self.clock)
        folder = try TemporaryFolder()
        http = try HTTPClient(origin: try registry.origin)
        rootKey = try .generate(.ed25519)
        owner = try .generate(.ed25519)
        publisher = try .generate(.ed25519)
        let ceremony = TrustCeremony(operators: OperatorClient(http: http), clock: Self.clock)
        let result = try await ceremony.run(
            root: [rootKey], targets: [owner],
            namespaces: [NamespaceSigners(namespace: "clinic", key: publisher)])
        root = result.root
    }

    func close() async {
        await http.close()
        registry.stop()
    }

    func context(_ signers: [any Signer]? = nil) throws -> PublisherContext {
        PublisherContext(
            operators: OperatorClient(http: http), oci: OCIClient(http: http) { _ in },
            tuf: try TUFClient(
                trustedRoot: root, fetcher: HTTPMetadataFetcher(http: http), store: InMemoryMetadataStore()),
            signers: signers ?? [publisher], clock: Self.clock)
    }

    func publish(
        _ request: PublishRequest, signers: [any Signer]? = nil,
        progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> PublishResult {
        let journal = try UploadJournal(folder: folder.file("uploads"))
        return try await Publisher(context: try context(signers), journal: journal).publish(request, progress: progress)
    }

    /// A request for `clinic/NAME:VERSION` from fixtures by name.
    func request(
        _ reference: String, _ files: [String], adapterOf base: String? = nil
    ) throws -> PublishRequest {
        func path(_ text: String) throws -> ReleasePath { try ReleasePath(text.replacing(":", with: "/")) }
        return PublishRequest(
            release: try path(reference), variants: files.map { [Checkout.fixture("models/tiny/" + $0)] },
            adapterOf: try base.map(path))
    }

    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        return folder.file(name)
    }
}

/// Runs `body` with a fixture and closes it.
func withFixture(_ body: (PublishingFixture) async throws -> Void) async throws {
    let fixture = try await PublishingFixture()
    do {
        try await body(fixture)
    } catch {
        await fixture.close()
        throw error
    }
    await fixture.close()
}

/// The code of the error that `body` throws; nil where it throws none.
func code(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch let error as any MartletError {
        return error.code
    } catch {
        return "\(error)"
    }
}
