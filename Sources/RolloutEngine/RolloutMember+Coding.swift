internal import MartletTypes

/// As JSON only what differs from a pending member's: it is written for each device at each of its steps.
extension RolloutMember: Codable {
    private enum CodingKeys: String, CodingKey {
        case device, wave, state, code, message, evaluation, shadow, updated, due, generation, wasHeard, wasOffered
        case isMoved, isWaiting, isRefused, isHeld, left, waited, attempts, restore, restoreGeneration, takenBy
        case lastFailure
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            device: try fields.decode(DeviceID.self, forKey: .device), wave: try fields.decode(Int.self, forKey: .wave),
            now: try fields.decode(Timestamp.self, forKey: .updated))
        state = try fields.decode(DeviceRolloutState.self, forKey: .state)
        due = try fields.decodeIfPresent(Int64.self, forKey: .due) ?? due
        generation = try fields.decodeIfPresent(Int64.self, forKey: .generation)
        restoreGeneration = try fields.decodeIfPresent(Int64.self, forKey: .restoreGeneration)
        restore = try fields.decodeIfPresent(Restore.self, forKey: .restore)
        attempts = try fields.decodeIfPresent(Int.self, forKey: .attempts) ?? 0
        func flag(_ key: CodingKeys) throws -> Bool { try fields.decodeIfPresent(Bool.self, forKey: key) ?? false }
        wasHeard = try flag(.wasHeard)
        wasOffered = try flag(.wasOffered)
        isMoved = try flag(.isMoved)
        isWaiting = try flag(.isWaiting)
        isRefused = try flag(.isRefused)
        isHeld = try flag(.isHeld)
        details = Details(
            code: try fields.decodeIfPresent(String.self, forKey: .code),
            message: try fields.decodeIfPresent(String.self, forKey: .message),
            evaluation: try fields.decodeIfPresent(EvaluationResult.self, forKey: .evaluation),
            shadow: try fields.decodeIfPresent(ShadowResult.self, forKey: .shadow),
            takenBy: try fields.decodeIfPresent(String.self, forKey: .takenBy),
            lastFailure: try fields.decodeIfPresent(String.self, forKey: .lastFailure),
            left: try fields.decodeIfPresent(Int64.self, forKey: .left) ?? 0,
            waited: try fields.decodeIfPresent(Int64.self, forKey: .waited) ?? 0)
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(device, forKey: .device)
        try fields.encode(wave, forKey: .wave)
        try fields.encode(state, forKey: .state)
        try fields.encode(updated, forKey: .updated)
        if due != Self.never { try fields.encode(due, forKey: .due) }
        try fields.encodeIfPresent(generation, forKey: .generation)
        try fields.encodeIfPresent(restoreGeneration, forKey: .restoreGeneration)
        try fields.encodeIfPresent(restore, forKey: .restore)
        if attempts > 0 { try fields.encode(attempts, forKey: .attempts) }
        let flags: [(CodingKeys, Bool)] = [
            (.wasHeard, wasHeard), (.wasOffered, wasOffered), (.isMoved, isMoved), (.isWaiting, isWaiting),
            (.isRefused, isRefused), (.isHeld, isHeld),
        ]
        for (key, value) in flags where value { try fields.encode(true, forKey: key) }
        let details = details
        try fields.encodeIfPresent(details.code, forKey: .code)
        try fields.encodeIfPresent(details.message, forKey: .message)
        try fields.encodeIfPresent(details.evaluation, forKey: .evaluation)
        try fields.encodeIfPresent(details.shadow, forKey: .shadow)
        try fields.encodeIfPresent(details.takenBy, forKey: .takenBy)
        try fields.encodeIfPresent(details.lastFailure, forKey: .lastFailure)
        if details.left != 0 { try fields.encode(details.left, forKey: .left) }
        if details.waited != 0 { try fields.encode(details.waited, forKey: .waited) }
    }
}
