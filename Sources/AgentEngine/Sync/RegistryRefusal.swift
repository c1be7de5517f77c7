internal import AgentStore

/// That the registry knows this device and gives it nothing: it waits for approval, is held, or was revoked. Kept until
/// the registry says otherwise, for whoever asks the agent.
enum RegistryRefusal {
    /// The registry's codes for it.
    static let codes: Set<String> = [waiting, "heldDevice", "revokedDevice", "unknownDevice"]
    /// An operator is to approve the device; it then goes on by itself.
    static let waiting = "pendingDevice"
    private static let fact = "registryRefusal"

    /// Why the registry gives nothing; nil where it does.
    static func kept(in journal: Journal) async throws -> String? {
        guard let bytes = try await journal.fact(fact), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Keeps why, or that there is no refusal any more; returns whether that is new.
    @discardableResult
    static func keep(_ reason: String?, in journal: Journal) async throws -> Bool {
        guard try await kept(in: journal) != reason else { return false }
        try await journal.setFact(fact, Array((reason ?? "").utf8))
        return true
    }
}
