import MartletTypes

/// Bounds of the server, each with its reason.
enum ServerLimits {
    /// Bytes read from a blob at once: as large as one TLS write goes well, small enough for thousands of downloads.
    static let readBytes = 128 * 1024
    /// Bytes of a file that the kernel is asked to send at once.
    static let sendBytes: Int64 = 8 * 1024 * 1024
    /// What offsets of mappings are rounded down to: a multiple of every page size in use.
    static let mapAlignment = 64 * 1024
    /// How often, and after what pause, an upload is tried that another request is at work on: two seconds in all,
    /// since one write takes milliseconds.
    static let busyAttempts = 100
    static let busyPause = Duration.milliseconds(20)
    /// Bytes of a request collected before they are written to an upload: few system calls, bounded memory.
    static let writeBytes = 1024 * 1024
    /// Attempts to enrol or renew from one address within `enrolWindow`: a fleet behind one NAT comes back within
    /// minutes.
    static let enrolAttempts = 60
    static let enrolWindow = Duration.seconds(60)
    /// Addresses remembered for rate limits; the oldest is forgotten first.
    static let rateLimitedAddresses = 10_000
    /// Wrong tokens from one address within `loginWindow`, after which it must wait.
    static let wrongTokens = 30
    static let loginWindow = Duration.seconds(60)
    /// Sessions of the dashboard; the oldest ends first.
    static let sessions = 1000
    /// How long a session of the dashboard lasts.
    static let sessionLife = Duration.seconds(12 * 3600)
    /// Streams of live updates at once; pages beyond it are still refreshed by hand.
    static let liveStreams = 200
    /// How long a live stream says nothing at most, so that proxies keep it open.
    static let liveSilence = Duration.seconds(15)
    /// A device that was heard of within this counts as online, polling or not.
    static let onlineWindow = Duration.seconds(60)
    /// Least time between two writes of one device's last sight.
    static let seenGranularity = Duration.seconds(15)
    /// Devices whose last sight is written in one transaction: some ten milliseconds.
    static let seenPerTransaction = 500
    /// Between the last answer on a connection and its end: enough for the other side to read the answer.
    static let cutDelay = Duration.milliseconds(250)
    /// The longest that the connections of a revoked device, and such a last answer, take: a busy registry may need
    /// seconds to answer a parked poll, and a device whose poll is cut instead asks once more to learn why.
    static let cutLimit = Duration.seconds(5)
    /// Namespaces, and fleets, that one token may be limited to.
    static let tokenLimitNames = 64
    /// Why an operator decided something: a sentence or two.
    static let reasonBytes = 500
    /// Devices in the answer for one rollout: those that need a look, and the longest at work; the others by page.
    static let rolloutDevicesShown = 200
    /// Decisions in it, the newest: a busy rollout records some dozen a day.
    static let decisionsShown = 500
    /// How far back it counts devices that came to an end.
    static let lately = Duration.seconds(600)
    /// How soon a device that waits for approval asks again: an operator who approves it wants to see it come.
    static let approvalPauseSeconds = 5
    /// How long a renewal nonce is good.
    static let nonceLife = Duration.seconds(60)
    /// A device's certificate, unless the registry is told otherwise.
    static let deviceCertificateLife = Duration.seconds(90 * 86_400)
    /// How long devices' certificates may be made to last: the least is for trials, at the most a stolen one is of use
    /// for two years.
    static let deviceCertificateLives = Duration.seconds(10)...Duration.seconds(730 * 86_400)
    /// How long after its end a known device's certificate still proves who asks for a new one.
    static let renewalGrace = Duration.seconds(2 * 365 * 86_400)
    /// The device listener's own certificate; renewed at two thirds of its life.
    static let serverCertificateLife = Duration.seconds(90 * 86_400)
    /// The authority's certificate.
    static let authorityLife = Duration.seconds(10 * 365 * 86_400)
    /// How long an assignment is good after it was fetched: a device that is cut off stops installing after a day.
    /// One that still has to asks for it anew.
    static let assignmentLife = Duration.seconds(86_400)
    /// Rows on a page of a list where the caller does not say.
    static let defaultPageRows = 100
    /// A join token's longest life: a stolen one must not enrol for ever.
    static let joinTokenSeconds: Int64 = 30 * 86_400
    /// Devices that one join token may enrol.
    static let joinTokenUses = 100_000
    /// Reports in one batch.
    static let reportsPerBatch = 1000
    /// Points in one answer of telemetry: a day of minutes of a few slots.
    static let telemetryPoints = 10_000
    /// Seconds after which a connection without a request is closed.
    static let idleSeconds: Int64 = 120
    /// Minutes of telemetry that are kept, and how far back one may ask: 30 days.
    static let telemetryMinutes = 43_200
    /// How long the listeners wait for requests to end before they are cut at shutdown.
    static let shutdownGrace = Duration.seconds(10)
    /// Uploads that nobody wrote to for this long are thrown away.
    static let uploadLife = Duration.seconds(7 * 86_400)
    /// How long requests of idempotent writes are remembered.
    static let idempotencyLife = Duration.seconds(86_400)
    /// Bytes of an idempotency key.
    static let idempotencyKeyBytes = 128
    /// Signed roles in one change: root, targets, and the whole of a namespace with its 4096 bins.
    static let rolesPerChange = 4100
    /// Bytes of a change; a namespace's roles are small, its bins together may not be.
    static let changeBytes = 64 * 1024 * 1024
    /// Characters of the note on a change that waits for signatures.
    static let noteCharacters = 200
    /// Namespaces whose ends are in the metrics, those that end first: a series each, a bound for who scrapes them.
    static let expirySeries = 2000
    /// After which silence a device counts as silent in the metrics: a restart and a new route are over by then.
    static let silence = Duration.seconds(3600)
    /// How long before the end of what a person must sign the log speaks of it, each day.
    static let expiryNotice = Duration.seconds(10 * 86_400)
}
