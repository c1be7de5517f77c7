package import MartletTypes
package import Telemetry

/// How the gateway listens and what it bears.
package struct GatewayConfiguration: Sendable {
    /// The address to listen on. Any other than loopback demands keys.
    package var host: String
    /// The port; 0 takes a free one.
    package var port: Int
    /// A UNIX socket to listen on too; nil listens on none.
    package var unixSocketPath: String?
    /// Names, beside those of loopback, that clients may write into `Host`.
    package var allowedHosts: [String]
    /// Keys of which clients must send one as `Authorization: Bearer`; empty demands none. The UNIX socket never does:
    /// its file permissions say who may use it.
    package var apiKeys: [String]
    /// How long a request may wait for a parked slot, or for an engine that does not answer.
    package var maxPark: Duration
    /// Requests that may wait for one slot.
    package var parkedRequests: Int
    /// Bytes of all waiting requests together.
    package var parkedBytes: ByteCount
    /// The largest request body.
    package var maxBodyBytes: ByteCount
    /// Connections of clients at once; further ones wait in the kernel.
    package var connections: Int
    /// How often a request is sent once more after an engine that had received it ended without an answer.
    package var maxReplays: Int
    /// How long an engine may be silent while it answers.
    package var engineSilence: Duration
    /// How long a client may take between two pieces of its request, and be idle between two requests.
    package var clientSilence: Duration
    /// How long open answers may go on when the gateway stops.
    package var drainDeadline: Duration

    package init(
        host: String = "127.0.0.1", port: Int = 8080, unixSocketPath: String? = nil, allowedHosts: [String] = [],
        apiKeys: [String] = [], maxPark: Duration = .seconds(30), parkedRequests: Int = 256,
        parkedBytes: ByteCount = .mebibytes(64), maxBodyBytes: ByteCount = .mebibytes(16), connections: Int = 512,
        maxReplays: Int = 2, engineSilence: Duration = .seconds(600), clientSilence: Duration = .seconds(75),
        drainDeadline: Duration = .seconds(600)
    ) {
        self.host = host
        self.port = port
        self.unixSocketPath = unixSocketPath
        self.allowedHosts = allowedHosts
        self.apiKeys = apiKeys
        self.maxPark = maxPark
        self.parkedRequests = parkedRequests
        self.parkedBytes = parkedBytes
        self.maxBodyBytes = maxBodyBytes
        self.connections = connections
        self.maxReplays = maxReplays
        self.engineSilence = engineSilence
        self.clientSilence = clientSilence
        self.drainDeadline = drainDeadline
    }

    /// Whether the address is one that only this machine reaches.
    package var isLoopback: Bool {
        host == "localhost" || host == "::1" || host == "[::1]"
            || host.hasPrefix("127.") && host.allSatisfy(Self.isIPv4)
    }

    private static func isIPv4(_ character: Character) -> Bool { character == "." || character.isNumber }
}

/// Where requests for a slot go.
package struct GatewayRoute: Sendable, Hashable {
    /// The slot.
    package let slot: SlotName
    /// The generation that answers.
    package let generation: Int
    /// Its releases, as labels of measurements.
    package let release: ReleaseLabel
    /// The engine's socket.
    package let socketPath: String
    /// Whether the engine makes embeddings.
    package let embeds: Bool
    /// What the engine speaks.
    package let speaks: EngineProtocol
    /// Whether connections to the engine are kept between two requests.
    package let keepsAlive: Bool

    package init(
        slot: SlotName, generation: Int, release: ReleaseLabel, socketPath: String, embeds: Bool = false,
        speaks: EngineProtocol = .openai, keepsAlive: Bool = false
    ) {
        self.slot = slot
        self.generation = generation
        self.release = release
        self.socketPath = socketPath
        self.embeds = embeds
        self.speaks = speaks
        self.keepsAlive = keepsAlive
    }
}

/// What draining a generation came to.
package struct DrainResult: Sendable, Hashable {
    /// Answers that had begun and were cut at the deadline.
    package let cutStreams: Int
    /// How long it took.
    package let waited: Duration

    package init(cutStreams: Int, waited: Duration) {
        self.cutStreams = cutStreams
        self.waited = waited
    }
}
