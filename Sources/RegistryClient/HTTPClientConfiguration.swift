package import MartletTypes
package import Trust

/// How a client connects. Everything that came from outside is bounded by `ClientLimits`.
package struct HTTPClientConfiguration: Sendable {
    /// Certificates (PEM) that the peer's must lead to. Given, they are the only ones; nil takes the system's.
    package var authorityPEM: [UInt8]?
    /// Reads from whoever answers, for documents that are verified by their own signatures: how a new device learns the
    /// authority of which it knows only the fingerprint. Refused together with any credential.
    package var acceptsAnyPeer = false
    /// What the client shows of itself in mutual TLS.
    package var identity: ClientIdentity?
    /// Sent as `Authorization: Bearer`, to the client's origin only.
    package var bearerToken: String?
    /// How long name look-up, connection and TLS may take together.
    package var connectTimeout: Duration
    /// How long the peer may stay silent before the transfer counts as lost.
    package var patience: Duration
    /// Bytes per second that all transfers may receive together; nil is unlimited. Downloads wait for each other and
    /// for all else, which is small and waits for none.
    package var maxReceiveSpeed: Int64?
    /// `User-Agent`.
    package var userAgent: String
    /// The time by which the peer's certificate is judged; nil takes the system's clock.
    package var judgedAt: Clock?
    /// Whether `https_proxy` and its kin are followed; never for a loopback origin.
    package var followsEnvironmentProxy: Bool
    /// Called first on the thread that does the transfers, e.g. to give way to others.
    package var threadStart: @Sendable () -> Void = {}

    package init(
        authorityPEM: [UInt8]? = nil, identity: ClientIdentity? = nil, bearerToken: String? = nil,
        connectTimeout: Duration = .seconds(15), patience: Duration = .seconds(30), maxReceiveSpeed: Int64? = nil,
        userAgent: String = "martlet", followsEnvironmentProxy: Bool = true
    ) {
        self.authorityPEM = authorityPEM
        self.identity = identity
        self.bearerToken = bearerToken
        self.connectTimeout = connectTimeout
        self.patience = patience
        self.maxReceiveSpeed = maxReceiveSpeed
        self.userAgent = userAgent
        self.followsEnvironmentProxy = followsEnvironmentProxy
    }
}

/// A certificate with its private key, which goes to libcurl as an `EVP_PKEY`: it may stay in a token.
package struct ClientIdentity: Sendable, CustomStringConvertible {
    let certificatePEM: [UInt8]
    let key: KeyPair

    /// A certificate (or chain, leaf first) in PEM and its key.
    package init(certificatePEM: [UInt8], key: KeyPair) {
        self.certificatePEM = certificatePEM
        self.key = key
    }

    /// A certificate (or chain, leaf first) and its unencrypted PKCS#8 key, both PEM. Throws `TrustError`.
    package init(certificatePEM: [UInt8], keyPEM: [UInt8]) throws {
        self.init(certificatePEM: certificatePEM, key: try KeyPair(pem: keyPEM))
    }

    /// Says nothing, because one half is secret.
    package var description: String { "client identity" }
}

/// Bounds of the client.
package enum ClientLimits {
    /// Header fields of one answer, all together; proxies commonly allow 32 to 64 KiB.
    package static let headerBytes = 64 * 1024
    /// Connections at once to one registry: a few ranges, a long poll, reports.
    package static let connections = 16
    /// libcurl's receive buffer: its own maximum, for few calls per megabyte.
    package static let receiveBufferBytes = 512 * 1024
    /// The same where a speed is kept: at most this is held of a transfer that waits.
    package static let pacedBufferBytes = 64 * 1024
    /// The body of an error answer.
    package static let errorBodyBytes = 64 * 1024
    /// How much of a peer's text an error repeats.
    package static let quotedCharacters = 500
    /// Milliseconds the thread sleeps when nothing happens; every command wakes it earlier.
    static let idlePollMilliseconds: Int32 = 60_000
    /// Times a chunk of an upload is sent again after the way to the registry failed.
    package static let uploadAttempts = 5
    /// Pages of one list that are followed.
    package static let pages = 10_000
}
