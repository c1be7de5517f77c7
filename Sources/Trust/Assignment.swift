package import MartletTypes
package import TUF

/// A release as an assignment names it: all that the device checks against the publisher's TUF target.
package struct AssignedRelease: Sendable, Hashable, Codable {
    /// The TUF target, e.g. `clinic/triage/1.2.0`.
    package let path: ReleasePath
    /// The digest of the release's OCI index.
    package let indexDigest: Digest
    /// The length of the release's OCI index in bytes.
    package let length: Int64

    package init(path: ReleasePath, indexDigest: Digest, length: Int64) {
        self.path = path
        self.indexDigest = indexDigest
        self.length = length
    }
}

/// How a device moves a slot to what is assigned.
package struct UpdatePolicy: Sendable, Hashable, Codable {
    /// When the evaluation set runs if the candidate cannot stand beside the running engine.
    package enum EvaluationTime: String, Sendable, Codable {
        /// Before the switch wherever memory allows, else while soaking.
        case beforeSwitch
        /// Only while soaking.
        case whileSoaking
    }

    /// Seconds that a new generation must serve without a crash before it is committed.
    package var soakSeconds: Int
    /// When the evaluation runs in replace mode.
    package var evaluation: EvaluationTime
    /// When the device may begin, and how fast it may fetch; nil is at once and as fast as its own limit allows.
    package var conditions: UpdateConditions?
    /// Shadowing before the switch; nil does none.
    package var shadow: ShadowPolicy?

    package init(
        soakSeconds: Int = 10, evaluation: EvaluationTime = .beforeSwitch, conditions: UpdateConditions? = nil,
        shadow: ShadowPolicy? = nil
    ) {
        self.soakSeconds = soakSeconds
        self.evaluation = evaluation
        self.conditions = conditions
        self.shadow = shadow
    }
}

/// What one slot shall run.
package struct SlotAssignment: Sendable, Hashable, Codable {
    /// One model, or one or more adapters that name the same base digest.
    package var releases: [AssignedRelease]
    /// Typed settings of the engine.
    package var settings: SlotSettings
    /// The assignment number at which this slot last changed. An override made for it holds until it rises.
    package var generation: Int64
    /// The rollout that moved the slot, if one did.
    package var rollout: RolloutID?
    /// How the device moves to it.
    package var update: UpdatePolicy

    package init(
        releases: [AssignedRelease], settings: SlotSettings = SlotSettings(), generation: Int64,
        rollout: RolloutID? = nil, update: UpdatePolicy = UpdatePolicy()
    ) {
        self.releases = releases
        self.settings = settings
        self.generation = generation
        self.rollout = rollout
        self.update = update
    }
}

/// The director's statement of what each slot of one device shall run: the core object of the device protocol.
///
/// On the wire a `SignedEnvelope` of this document in canonical JSON (DESIGN section 4; after Uptane's director).
package struct Assignment: Sendable, Hashable, Codable {
    /// The value of `_type`; part of what is signed, so that no other signed document passes for an assignment.
    package static let documentType = "martlet-assignment"

    /// The device it is for; any other device refuses it.
    package let device: DeviceID
    /// Rises with every change for this device; a lower one is refused.
    package let number: Int64
    /// When the director signed it.
    package let issued: Timestamp
    /// After this nothing new is installed from it; what serves goes on serving.
    package let expires: Timestamp
    /// What each slot shall run. A slot that is absent is to be emptied.
    package let slots: [SlotName: SlotAssignment]

    package init(
        device: DeviceID, number: Int64, issued: Timestamp, expires: Timestamp, slots: [SlotName: SlotAssignment]
    ) {
        self.device = device
        self.number = number
        self.issued = issued
        self.expires = expires
        self.slots = slots
    }

    private enum CodingKeys: String, CodingKey {
        case type = "_type"
        case device, number, issued, expires, slots
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard try container.decode(String.self, forKey: .type) == Self.documentType else {
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "not a \(Self.documentType)")
        }
        device = try container.decode(DeviceID.self, forKey: .device)
        number = try container.decode(Int64.self, forKey: .number)
        issued = try container.decode(Timestamp.self, forKey: .issued)
        expires = try container.decode(Timestamp.self, forKey: .expires)
        slots = try container.decode([SlotName: SlotAssignment].self, forKey: .slots)
        guard slots.count <= Limits.slotsPerDevice,
            slots.values.allSatisfy({ (1...Limits.releasesPerSlot).contains($0.releases.count) })
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .slots, in: container,
                debugDescription: "at most \(Limits.slotsPerDevice) slots of 1 to \(Limits.adaptersPerSlot) releases")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.documentType, forKey: .type)
        try container.encode(device, forKey: .device)
        try container.encode(number, forKey: .number)
        try container.encode(issued, forKey: .issued)
        try container.encode(expires, forKey: .expires)
        try container.encode(slots, forKey: .slots)
    }
}

extension Assignment {
    /// Signs with the director's keys.
    package func signed(by director: [any Signer]) throws -> SignedEnvelope {
        let document = try JSONValue(parsing: JSONText.encode(self))
        return try SignedEnvelope.sign(document, by: director)
    }

    /// Those of the director's keys whose signature on `bytes` holds.
    package static func signers(of bytes: [UInt8], among keys: [String: PublicKey]) throws -> Set<String> {
        let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.assignmentBytes)
        return Set(
            keys.filter { key in
                do {
                    try envelope.verify(keys: [key.key: key.value], threshold: 1)
                    return true
                } catch {
                    return false
                }
            }.keys)
    }

    /// Why a received assignment is not accepted.
    package enum Refusal: Error, Sendable, Hashable {
        case malformed(String)
        case badSignature(String)
        case otherDevice(DeviceID)
        case olderNumber(received: Int64, accepted: Int64)
        case expired(Timestamp)
    }

    /// Checks what was received against the director's keys, this device, and the highest number accepted so far.
    ///
    /// The same number again is accepted: a re-signed copy with a later expiry.
    package static func verify(
        _ bytes: [UInt8], directorKeys: [String: PublicKey], threshold: Int, device: DeviceID,
        highestNumber: Int64, now: Timestamp
    ) throws(Refusal) -> Assignment {
        let assignment: Assignment
        do {
            let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.assignmentBytes)
            do {
                try envelope.verify(keys: directorKeys, threshold: threshold)
            } catch {
                throw Refusal.badSignature(error.message)
            }
            assignment = try JSONText.decode(Assignment.self, from: CanonicalJSON.encode(envelope.signed))
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw .malformed("\(error)")
        }
        guard assignment.device == device else { throw .otherDevice(assignment.device) }
        guard assignment.number >= highestNumber else {
            throw .olderNumber(received: assignment.number, accepted: highestNumber)
        }
        guard assignment.expires > now else { throw .expired(assignment.expires) }
        return assignment
    }
}
