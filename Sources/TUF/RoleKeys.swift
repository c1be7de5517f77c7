internal import MartletTypes

/// Who must sign a role: key identifiers and how many of them.
package struct RoleKeys: Sendable, Hashable {
    /// Distinct identifiers of keys that the same document holds.
    package var keyIDs: [String]
    /// How many distinct keys must sign; at least 1.
    package var threshold: Int

    package init(keyIDs: [String], threshold: Int) {
        self.keyIDs = keyIDs
        self.threshold = threshold
    }

    var fields: [String: JSONValue] {
        ["keyids": .array(keyIDs.map(JSONValue.string)), "threshold": .integer(Int64(threshold))]
    }

    /// The keys themselves, looked up in the delegator's table.
    func verifier(among keys: [String: PublicKey]) -> RoleVerifier {
        RoleVerifier(keys: keys.filter { keyIDs.contains($0.key) }, threshold: threshold)
    }
}

/// The keys and threshold by which metadata of a role is verified: all that trust in a role depends on.
package struct RoleVerifier: Sendable, Hashable {
    /// The role's keys by identifier.
    package let keys: [String: PublicKey]
    /// How many distinct keys must sign.
    package let threshold: Int

    package init(keys: [String: PublicKey], threshold: Int) {
        self.keys = keys
        self.threshold = threshold
    }

    /// Checks the envelope's signatures; the error names `role`.
    package func verify(_ envelope: SignedEnvelope, role: String) throws(TUFError) {
        do {
            try envelope.verify(keys: keys, threshold: threshold)
        } catch {
            throw TUFError(error.reason, role: role, "\(role): \(error.message)")
        }
    }
}
