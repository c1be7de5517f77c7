package import DeviceProfiles
package import MartletTypes

/// A new device asks for its certificate.
package struct EnrolRequest: Sendable, Codable {
    /// The name it wants; must be free, or the same box's earlier name.
    package var device: DeviceID
    /// The join token's secret.
    package var secret: String
    /// PKCS#10 in PEM; only its public key is taken over.
    package var certificateRequest: String
    /// Labels it proposes; an operator may change them.
    package var labels: Labels
    /// The identity of its journal.
    package var journal: JournalID

    package init(
        device: DeviceID, secret: String, certificateRequest: String, labels: Labels, journal: JournalID
    ) {
        self.device = device
        self.secret = secret
        self.certificateRequest = certificateRequest
        self.labels = labels
        self.journal = journal
    }
}

/// What a device gets at enrolment and at each renewal.
package struct EnrolAnswer: Sendable, Codable {
    package var device: DeviceID
    /// The device's certificate in PEM.
    package var certificate: String
    /// The authority's certificate in PEM.
    package var authority: String
    /// When the certificate ends; it is renewed at two thirds of its life.
    package var notAfter: Timestamp
    /// Whether the device gets nothing yet, because an operator must approve it first; nil is no.
    package var waitsForApproval: Bool?

    package init(
        device: DeviceID, certificate: String, authority: String, notAfter: Timestamp, waitsForApproval: Bool? = nil
    ) {
        self.waitsForApproval = waitsForApproval
        self.device = device
        self.certificate = certificate
        self.authority = authority
        self.notAfter = notAfter
    }
}

/// A nonce of the registry that a renewing device signs, good once and for a minute.
package struct RenewalNonce: Sendable, Codable {
    /// Hexadecimal.
    package var nonce: String

    package init(nonce: String) { self.nonce = nonce }
}

/// A device with a known, even expired, certificate asks for a new one.
package struct RenewRequest: Sendable, Codable {
    /// The certificate it has, in PEM.
    package var certificate: String
    /// The registry's nonce, in hexadecimal.
    package var nonce: String
    /// The signature by the certificate's key over the nonce's bytes, in hexadecimal.
    package var signature: String
    /// PKCS#10 in PEM, for the same or a fresh key.
    package var certificateRequest: String
    package var journal: JournalID

    package init(
        certificate: String, nonce: String, signature: String, certificateRequest: String, journal: JournalID
    ) {
        self.certificate = certificate
        self.nonce = nonce
        self.signature = signature
        self.certificateRequest = certificateRequest
        self.journal = journal
    }
}

/// What runs in a slot, as the device says.
package struct SlotInventory: Sendable, Hashable, Codable {
    /// The releases that serve now; empty where none does.
    package var current: [ReleasePath]
    /// The releases that going back would bring; empty where there are none.
    package var previous: [ReleasePath]
    /// The digest of the weights that serve.
    package var weights: Digest?
    /// The variant that was chosen, by its manifest.
    package var variant: Digest?
    /// The assignment number at which the current generation was committed.
    package var generation: Int64
    /// Whether requests are answered now.
    package var serving: Bool
    /// A local decision that stands against the assignment, e.g. `rolledBack: evaluationFailed`.
    package var override: String?
    /// What a generation of it may take of memory beside the other slots, and where those that do not always run make
    /// room for it, and by which settings it is judged; nil from older agents.
    package var memoryRoom: ByteCount?
    package var memoryRoomAlone: ByteCount?
    package var settings: SlotSettings?

    package init(
        current: [ReleasePath], previous: [ReleasePath], weights: Digest? = nil, variant: Digest? = nil,
        generation: Int64, serving: Bool, override: String? = nil
    ) {
        self.current = current
        self.previous = previous
        self.weights = weights
        self.variant = variant
        self.generation = generation
        self.serving = serving
        self.override = override
    }
}

/// What a device is and has.
package struct Inventory: Sendable, Codable {
    package var agentVersion: String
    /// Engines by name with their versions.
    package var engines: [String: String]
    /// The profile that matched.
    package var profile: String
    package var facts: HardwareFacts
    /// Bytes of blobs in the store; nil where the disk does not tell.
    package var storeBytes: ByteCount?
    package var slots: [SlotName: SlotInventory]
    /// What is wrong with the device as a whole; nil where nothing is.
    package var problems: [DeviceProblem]?
    /// What a slot more may take of memory, in the same two ways, and what may be brought to the disk; nil from older
    /// agents.
    package var memoryRoom: ByteCount?
    package var memoryRoomAlone: ByteCount?
    package var diskRoom: ByteCount?

    package init(
        agentVersion: String, engines: [String: String], profile: String, facts: HardwareFacts, storeBytes: ByteCount?,
        slots: [SlotName: SlotInventory], problems: [DeviceProblem]? = nil
    ) {
        self.problems = problems
        self.agentVersion = agentVersion
        self.engines = engines
        self.profile = profile
        self.facts = facts
        self.storeBytes = storeBytes
        self.slots = slots
    }
}

/// One thing that happened on a device. Sent at least once, in order; the registry drops what it has.
package struct DeviceReport: Sendable, Hashable, Codable {
    /// Numbers of an installation, where known.
    package struct Figures: Sendable, Hashable, Codable {
        /// Bytes that came over the network for it.
        package var bytesFetched: Int64?
        /// Time from the decision to install to the end of verification.
        package var fetchMilliseconds: Int64?
        /// Time from the start of the candidate to its readiness.
        package var startMilliseconds: Int64?
        /// Time in which the slot answered nobody.
        package var unavailableMilliseconds: Int64?
        /// Streams that the drain deadline cut.
        package var cutStreams: Int?
        /// The evaluation on this device.
        package var evaluation: EvaluationResult?
        /// What shadowing found on this device.
        package var shadow: ShadowResult?

        package init(
            bytesFetched: Int64? = nil, fetchMilliseconds: Int64? = nil, startMilliseconds: Int64? = nil,
            unavailableMilliseconds: Int64? = nil, cutStreams: Int? = nil, evaluation: EvaluationResult? = nil,
            shadow: ShadowResult? = nil
        ) {
            self.bytesFetched = bytesFetched
            self.fetchMilliseconds = fetchMilliseconds
            self.startMilliseconds = startMilliseconds
            self.unavailableMilliseconds = unavailableMilliseconds
            self.cutStreams = cutStreams
            self.evaluation = evaluation
            self.shadow = shadow
        }
    }

    /// Rises by one within a journal.
    package var sequence: Int64
    package var time: Timestamp
    package var slot: SlotName?
    /// The slot's generation in the assignment that this is about.
    package var generation: Int64?
    package var rollout: RolloutID?
    package var releases: [ReleasePath]
    /// Where the installation stands; nil for reports that are about none (agent start, blob repaired, …).
    package var state: DeviceRolloutState?
    /// Why: a stable code, e.g. `evaluationFailed`, `engineExited`, `digestMismatch`, `noVariantFits`.
    package var code: String?
    /// One sentence for people.
    package var message: String?
    package var figures: Figures?

    package init(
        sequence: Int64, time: Timestamp, slot: SlotName? = nil, generation: Int64? = nil, rollout: RolloutID? = nil,
        releases: [ReleasePath] = [], state: DeviceRolloutState? = nil, code: String? = nil, message: String? = nil,
        figures: Figures? = nil
    ) {
        self.sequence = sequence
        self.time = time
        self.slot = slot
        self.generation = generation
        self.rollout = rollout
        self.releases = releases
        self.state = state
        self.code = code
        self.message = message
        self.figures = figures
    }
}

/// Reports in rising order of sequence.
package struct ReportBatch: Sendable, Codable {
    package var journal: JournalID
    package var reports: [DeviceReport]

    package init(journal: JournalID, reports: [DeviceReport]) {
        self.journal = journal
        self.reports = reports
    }
}

/// Up to where the registry holds a journal's reports.
package struct ReportReceipt: Sendable, Codable {
    package var highest: Int64

    package init(highest: Int64) { self.highest = highest }
}
