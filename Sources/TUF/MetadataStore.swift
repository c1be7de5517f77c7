private import Synchronization

/// What the client keeps between runs: the bytes that it accepted, unchanged, by role.
///
/// A role may be any text (`../x`): an implementation that makes files of it encodes it first, e.g. by
/// `MetadataPath.encoded`. `save` is atomic: after a crash the former or the new bytes are there, never a mixture, and
/// calls take effect in order.
package protocol MetadataStore: Sendable {
    /// The bytes last saved for a role; nil where there are none.
    func load(_ role: String) throws -> [UInt8]?
    /// Keeps the bytes of a role, durable on return.
    func save(_ role: String, _ bytes: [UInt8]) throws
    /// Forgets a role; not an error where it is unknown.
    func remove(_ role: String) throws
}

/// A store for tests and for clients that live once.
package struct InMemoryMetadataStore: MetadataStore {
    private final class Box: Sendable {
        let files = Mutex<[String: [UInt8]]>([:])
    }

    private let box = Box()

    package init() {}

    package func load(_ role: String) -> [UInt8]? { box.files.withLock { $0[role] } }
    package func save(_ role: String, _ bytes: [UInt8]) { box.files.withLock { $0[role] = bytes } }
    package func remove(_ role: String) { box.files.withLock { $0[role] = nil } }
}
