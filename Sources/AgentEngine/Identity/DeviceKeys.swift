package import AgentStore
package import Trust

/// What the owner of a device says about its private key (`deviceKey` of the configuration).
package struct DeviceKeySettings: Sendable, Hashable {
    /// A key that is there already, as a rule in a TPM or token; nil lets the device make its own.
    package var location: KeyLocation?
    /// Where the key's passphrase or PIN comes from.
    package var passphrase: PassphraseSource?

    package init(location: KeyLocation? = nil, passphrase: PassphraseSource? = nil) {
        self.location = location
        self.passphrase = passphrase
    }
}

/// The private keys of this device: those that it makes in its data folder, a fresh one for each certificate, or the
/// one
/// that its owner named, the same for every certificate.
///
/// An identity says which of them its certificate is for, so that either may follow the other at a renewal.
package struct DeviceKeys: Sendable {
    private let store: IdentityStore
    private let settings: DeviceKeySettings
    private let environment: [String: String]

    /// `environment` is where `$CREDENTIALS_DIRECTORY` stands.
    package init(
        store: IdentityStore, settings: DeviceKeySettings = DeviceKeySettings(), environment: [String: String] = [:]
    ) {
        self.store = store
        self.settings = settings
        self.environment = environment
    }

    /// The key of an identity's certificate. Throws `TrustError` and `AgentStoreError`.
    package func current(_ identity: DeviceIdentity) throws -> KeyPair {
        if IdentityStore.isOwnKey(identity.key) { return try KeyPair(pem: try store.key(of: identity)) }
        return try open(KeyLocation(identity.key))
    }

    /// The key to certify at a renewal, with its name for the identity.
    func next() throws -> (name: String, key: KeyPair) {
        if let location = settings.location { return (location.text, try open(location)) }
        let key = try KeyPair.generate(.ed25519)
        return (try store.keep(key: try key.pem()), key)
    }

    /// The key to certify at an enrolment: the same at every attempt that bears this name.
    func ofAttempt(_ attempt: String) throws -> (name: String, key: KeyPair) {
        if let location = settings.location { return (location.text, try open(location)) }
        let (name, pem) = try store.key(ofAttempt: attempt) { try KeyPair.generate(.ed25519).pem() }
        return (name, try KeyPair(pem: pem))
    }

    private func open(_ location: KeyLocation) throws -> KeyPair {
        try location.open { try settings.passphrase?.read(environment: environment) }
    }
}
