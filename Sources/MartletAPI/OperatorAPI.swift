package import MartletTypes

/// What the registry is and whether it can serve.
package struct RegistryStatus: Sendable, Codable {
    package var version: String
    /// `ready`, or why not, e.g. `no root`.
    package var readiness: String
    package var devices: Int
    package var devicesOnline: Int
    package var releases: Int
    package var openRollouts: Int
    /// Versions of the metadata by role.
    package var metadataVersions: [String: Int64]
    /// When each role's metadata ends.
    package var metadataExpiries: [String: Timestamp]
    /// What devices run although it was taken back, with how to take them off it.
    package var takenBack: [TakenBackRelease]
    /// Roles that devices have seen in newer versions than stand here, because an older backup was restored.
    package var behind: [BehindRole]

    package init(
        version: String, readiness: String, devices: Int, devicesOnline: Int, releases: Int, openRollouts: Int,
        metadataVersions: [String: Int64], metadataExpiries: [String: Timestamp], takenBack: [TakenBackRelease] = [],
        behind: [BehindRole] = []
    ) {
        self.version = version
        self.readiness = readiness
        self.devices = devices
        self.devicesOnline = devicesOnline
        self.releases = releases
        self.openRollouts = openRollouts
        self.metadataVersions = metadataVersions
        self.metadataExpiries = metadataExpiries
        self.takenBack = takenBack
        self.behind = behind
    }
}

/// A role of which devices have seen a newer version than the registry has.
package struct BehindRole: Sendable, Hashable, Codable {
    package var role: String
    /// The namespace that it belongs to; nil for the owner's.
    package var namespace: String?
    /// The version here.
    package var version: Int64
    /// The highest version that a device has seen.
    package var seen: Int64
    /// Devices that say so, and install nothing new until the role is signed above that.
    package var devices: Int

    package init(role: String, namespace: String?, version: Int64, seen: Int64, devices: Int) {
        self.role = role
        self.namespace = namespace
        self.version = version
        self.seen = seen
        self.devices = devices
    }
}

/// The public halves of the registry's online keys, for owners to sign.
package struct OnlineKeys: Sendable, Codable {
    package var snapshot: JSONValue
    package var timestamp: JSONValue
    package var director: JSONValue
    /// The authority's certificate in PEM.
    package var authority: String
    /// Origins of the device listener.
    package var addresses: [String]
    /// Keys that the registry has made and does not use before owners have signed for them, by what they are for;
    /// an authority is its certificate in PEM.
    package var next: [String: JSONValue]?

    package init(
        snapshot: JSONValue, timestamp: JSONValue, director: JSONValue, authority: String, addresses: [String],
        next: [String: JSONValue]? = nil
    ) {
        self.next = next
        self.snapshot = snapshot
        self.timestamp = timestamp
        self.director = director
        self.authority = authority
        self.addresses = addresses
    }
}

/// The first signed metadata, made offline. Documents are the exact bytes as text.
package struct TrustInitialization: Sendable, Codable {
    package var root: String
    package var targets: String
    /// Namespace roles and their bins by role name.
    package var delegated: [String: String]
    /// The bytes of `martlet/trust.json`.
    package var trustDocument: String

    package init(root: String, targets: String, delegated: [String: String], trustDocument: String) {
        self.root = root
        self.targets = targets
        self.delegated = delegated
        self.trustDocument = trustDocument
    }
}

/// What became of a signed role that was put: the snapshot that carries it.
package struct RoleReceipt: Sendable, Codable {
    package var role: String
    package var version: Int64
    package var snapshot: Int64

    package init(role: String, version: Int64, snapshot: Int64) {
        self.role = role
        self.version = version
        self.snapshot = snapshot
    }
}

/// One release in lists and by itself.
package struct ReleaseInfo: Sendable, Hashable, Codable {
    /// One build of it.
    package struct Variant: Sendable, Hashable, Codable {
        package var digest: Digest
        package var architecture: String
        package var quantization: String
        package var size: ByteCount
        package var minMemory: ByteCount?

        package init(
            digest: Digest, architecture: String, quantization: String, size: ByteCount, minMemory: ByteCount? = nil
        ) {
            self.digest = digest
            self.architecture = architecture
            self.quantization = quantization
            self.size = size
            self.minMemory = minMemory
        }
    }

    /// Whether devices may install it.
    package enum State: String, Sendable, Codable {
        case published
        /// Refused online, at once.
        case blocked
        /// Its signature was withdrawn by the publisher.
        case yanked
    }

    package var path: ReleasePath
    package var kind: ReleaseKind
    package var indexDigest: Digest
    package var length: Int64
    package var state: State
    /// Why it was blocked or yanked.
    package var reason: String?
    /// The floor of its repository: below it nothing is installed.
    package var floor: SemanticVersion?
    package var published: Timestamp
    package var aliases: [AliasName]
    package var base: ReleasePath?
    package var variants: [Variant]
    package var minAccuracy: Double?
    /// Devices that run it now.
    package var devices: Int
    /// Who runs it although it was taken back; told of a single release.
    package var takenBack: TakenBackRelease?

    package init(
        path: ReleasePath, kind: ReleaseKind, indexDigest: Digest, length: Int64, state: State, published: Timestamp,
        aliases: [AliasName] = [], base: ReleasePath? = nil, variants: [Variant] = [], minAccuracy: Double? = nil,
        devices: Int = 0, reason: String? = nil, floor: SemanticVersion? = nil
    ) {
        self.path = path
        self.kind = kind
        self.indexDigest = indexDigest
        self.length = length
        self.state = state
        self.published = published
        self.aliases = aliases
        self.base = base
        self.variants = variants
        self.minAccuracy = minAccuracy
        self.devices = devices
        self.reason = reason
        self.floor = floor
    }
}

/// Blocks or unblocks a release.
package struct BlockRequest: Sendable, Codable {
    package var path: ReleasePath
    package var blocked: Bool
    package var reason: String

    package init(path: ReleasePath, blocked: Bool, reason: String) {
        self.path = path
        self.blocked = blocked
        self.reason = reason
    }
}

/// A movable name and where it points.
package struct Alias: Sendable, Hashable, Codable {
    package var repository: RepositoryName
    package var name: AliasName
    package var version: SemanticVersion

    package init(repository: RepositoryName, name: AliasName, version: SemanticVersion) {
        self.repository = repository
        self.name = name
        self.version = version
    }
}

/// A device in lists and by itself.
package struct DeviceInfo: Sendable, Codable {
    /// A slot: what shall run and what does.
    package struct Slot: Sendable, Hashable, Codable {
        package var desired: [ReleasePath]
        package var current: [ReleasePath]
        package var previous: [ReleasePath]
        /// Where the last installation stands.
        package var state: DeviceRolloutState?
        package var code: String?
        package var message: String?
        package var serving: Bool
        package var generation: Int64
        package var override: String?
        package var evaluation: EvaluationResult?

        package init(
            desired: [ReleasePath], current: [ReleasePath], previous: [ReleasePath], state: DeviceRolloutState? = nil,
            code: String? = nil, message: String? = nil, serving: Bool, generation: Int64, override: String? = nil,
            evaluation: EvaluationResult? = nil
        ) {
            self.desired = desired
            self.current = current
            self.previous = previous
            self.state = state
            self.code = code
            self.message = message
            self.serving = serving
            self.generation = generation
            self.override = override
            self.evaluation = evaluation
        }
    }

    /// Where a device stands with the registry.
    package enum Standing: String, Sendable, Codable, CaseIterable {
        /// It has enrolled and gets nothing before an operator approves it.
        case pending
        case active
        /// It gets nothing before an operator has looked: its certificate is used by two boxes.
        case held
        /// Its certificates are refused.
        case revoked
    }

    package var device: DeviceID
    package var labels: Labels
    package var online: Bool
    package var enrolled: Timestamp
    package var lastSeen: Timestamp?
    package var certificateExpires: Timestamp
    package var profile: String?
    package var agentVersion: String?
    /// The number of its newest assignment.
    package var assignment: Int64
    package var slots: [SlotName: Slot]
    /// Where it stands with the registry.
    package var standing: Standing
    /// Why it may not do anything; nil while it may.
    package var held: String?
    /// Why rollouts pass slots of it over, and why it altogether.
    package var pins: [SlotName: Exemption]?
    package var hold: Exemption?
    /// Present in the answer for one device only.
    package var inventory: Inventory?

    package init(
        device: DeviceID, labels: Labels, online: Bool, enrolled: Timestamp, lastSeen: Timestamp?,
        certificateExpires: Timestamp, profile: String? = nil, agentVersion: String? = nil, assignment: Int64,
        slots: [SlotName: Slot], standing: Standing = .active, held: String? = nil, inventory: Inventory? = nil
    ) {
        self.standing = standing
        self.device = device
        self.labels = labels
        self.online = online
        self.enrolled = enrolled
        self.lastSeen = lastSeen
        self.certificateExpires = certificateExpires
        self.profile = profile
        self.agentVersion = agentVersion
        self.assignment = assignment
        self.slots = slots
        self.held = held
        self.inventory = inventory
    }
}

/// New labels for a device.
package struct DevicePatch: Sendable, Codable {
    package var labels: Labels?

    package init(labels: Labels? = nil) { self.labels = labels }
}

/// Why an operator approves, rejects or revokes a device.
package struct DeviceDecision: Sendable, Codable {
    /// In a sentence, for the audit log and for whoever looks at the device.
    package var reason: String

    package init(reason: String = "") { self.reason = reason }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        reason = try container.decodeIfPresent(String.self, forKey: .reason) ?? ""
    }

    private enum CodingKeys: CodingKey { case reason }
}

/// A fleet: a stored selector.
package struct Fleet: Sendable, Hashable, Codable {
    package var name: FleetName
    package var selector: LabelSelector
    /// Devices that it selects now; filled in answers.
    package var devices: Int?
    package var online: Int?

    package init(name: FleetName, selector: LabelSelector, devices: Int? = nil, online: Int? = nil) {
        self.name = name
        self.selector = selector
        self.devices = devices
        self.online = online
    }
}
