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

    package init(
        version: String, readiness: String, devices: Int, devicesOnline: Int, releases: Int, openRollouts: Int,
        metadataVersions: [String: Int64], metadataExpiries: [String: Timestamp]
    ) {
        self.version = version
        self.readiness = readiness
        self.devices = devices
        self.devicesOnline = devicesOnline
        self.releases = releases
        self.openRollouts = openRollouts
        self.metadataVersions = metadataVersions
        self.metadataExpiries = metadataExpiries
    }
}

/// The token that called.
package struct Caller: Sendable, Hashable, Codable {
    package var name: String
    package var role: Role
    /// The only namespace it may publish into; nil is all.
    package var namespace: String?
    package var expires: Timestamp?

    package init(name: String, role: Role, namespace: String? = nil, expires: Timestamp? = nil) {
        self.name = name
        self.role = role
        self.namespace = namespace
        self.expires = expires
    }
}

/// The public halves of the registry's online keys, for the first root.
package struct OnlineKeys: Sendable, Codable {
    package var snapshot: JSONValue
    package var timestamp: JSONValue
    package var director: JSONValue
    /// The authority's certificate in PEM.
    package var authority: String
    /// Origins of the device listener.
    package var addresses: [String]

    package init(
        snapshot: JSONValue, timestamp: JSONValue, director: JSONValue, authority: String, addresses: [String]
    ) {
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
    package var published: Timestamp
    package var aliases: [AliasName]
    package var base: ReleasePath?
    package var variants: [Variant]
    package var minAccuracy: Double?
    /// Devices that run it now.
    package var devices: Int

    package init(
        path: ReleasePath, kind: ReleaseKind, indexDigest: Digest, length: Int64, state: State, published: Timestamp,
        aliases: [AliasName] = [], base: ReleasePath? = nil, variants: [Variant] = [], minAccuracy: Double? = nil,
        devices: Int = 0
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
    /// Why an operator must look at it before it may do anything; nil while it may.
    package var held: String?
    /// Present in the answer for one device only.
    package var inventory: Inventory?

    package init(
        device: DeviceID, labels: Labels, online: Bool, enrolled: Timestamp, lastSeen: Timestamp?,
        certificateExpires: Timestamp, profile: String? = nil, agentVersion: String? = nil, assignment: Int64,
        slots: [SlotName: Slot], held: String? = nil, inventory: Inventory? = nil
    ) {
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

/// One row of the audit log.
package struct AuditRow: Sendable, Hashable, Codable {
    package var number: Int64
    package var time: Timestamp
    /// Who: a token's name, a device, or `registry`.
    package var actor: String
    /// What, e.g. `release.publish`, `rollout.start`, `device.enrol`.
    package var action: String
    /// On what, e.g. `clinic/triage/1.0.0`.
    package var subject: String
    package var detail: JSONValue
    /// SHA-256 over the previous row's hash and this row, in hexadecimal.
    package var hash: String

    package init(
        number: Int64, time: Timestamp, actor: String, action: String, subject: String, detail: JSONValue, hash: String
    ) {
        self.number = number
        self.time = time
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
        self.hash = hash
    }
}

/// A token to be made.
package struct TokenRequest: Sendable, Codable {
    package var name: String
    package var role: Role
    package var namespace: String?
    package var validSeconds: Int64?

    package init(name: String, role: Role, namespace: String? = nil, validSeconds: Int64? = nil) {
        self.name = name
        self.role = role
        self.namespace = namespace
        self.validSeconds = validSeconds
    }
}

/// A token; `secret` stands only in the answer that made it.
package struct TokenInfo: Sendable, Codable {
    package var id: String
    package var name: String
    package var role: Role
    package var namespace: String?
    package var created: Timestamp
    package var expires: Timestamp?
    package var secret: String?

    package init(
        id: String, name: String, role: Role, namespace: String? = nil, created: Timestamp, expires: Timestamp? = nil,
        secret: String? = nil
    ) {
        self.id = id
        self.name = name
        self.role = role
        self.namespace = namespace
        self.created = created
        self.expires = expires
        self.secret = secret
    }
}

/// A join token to be made.
package struct JoinTokenRequest: Sendable, Codable {
    /// Devices it may enrol.
    package var uses: Int
    package var validSeconds: Int64
    /// Labels that every device that joins by it gets.
    package var labels: Labels

    package init(uses: Int = 1, validSeconds: Int64 = 3600, labels: Labels = .none) {
        self.uses = uses
        self.validSeconds = validSeconds
        self.labels = labels
    }
}

/// A join token; `token` (the whole string) stands only in the answer that made it.
package struct JoinTokenInfo: Sendable, Codable {
    package var id: String
    package var usesLeft: Int
    package var created: Timestamp
    package var expires: Timestamp
    package var labels: Labels
    package var token: String?

    package init(
        id: String, usesLeft: Int, created: Timestamp, expires: Timestamp, labels: Labels, token: String? = nil
    ) {
        self.id = id
        self.usesLeft = usesLeft
        self.created = created
        self.expires = expires
        self.labels = labels
        self.token = token
    }
}
