package import MartletTypes

/// A release that devices run although it was taken back: blocked, yanked, or below its repository's floor.
package struct TakenBackRelease: Sendable, Hashable, Codable {
    package var path: ReleasePath
    /// Whether devices may install it.
    package var state: ReleaseInfo.State
    /// Why it was blocked or yanked.
    package var reason: String?
    /// The floor of its repository, where it is below that.
    package var floor: SemanticVersion?
    /// Devices that run it.
    package var devices: Int
    /// Of these the members of each fleet that has any.
    package var fleets: [FleetName: Int]
    /// What they could run instead: the newest older release that may be installed, or the newest of all; nil where
    /// there is none.
    package var instead: ReleasePath?

    package init(
        path: ReleasePath, state: ReleaseInfo.State, reason: String?, floor: SemanticVersion?, devices: Int,
        fleets: [FleetName: Int], instead: ReleasePath?
    ) {
        self.path = path
        self.state = state
        self.reason = reason
        self.floor = floor
        self.devices = devices
        self.fleets = fleets
        self.instead = instead
    }

    /// What happened to it, e.g. `yanked (wrong doses)`.
    package var words: String {
        if let floor { return "below the floor \(floor)" }
        return state.rawValue + (reason.map { $0.isEmpty ? "" : " (\($0))" } ?? "")
    }

    /// The command that takes the devices off it; nil where nothing else can be installed.
    package var suggestion: String? {
        instead.map { "martlet rollback --release \(path.reference) --to \($0.reference)" }
    }

    private enum CodingKeys: String, CodingKey {
        case path, state, reason, floor, devices, fleets, instead, suggestion
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        path = try container.decode(ReleasePath.self, forKey: .path)
        state = try container.decode(ReleaseInfo.State.self, forKey: .state)
        reason = try container.decodeIfPresent(String.self, forKey: .reason)
        floor = try container.decodeIfPresent(SemanticVersion.self, forKey: .floor)
        devices = try container.decode(Int.self, forKey: .devices)
        fleets = try container.decode([FleetName: Int].self, forKey: .fleets)
        instead = try container.decodeIfPresent(ReleasePath.self, forKey: .instead)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(path, forKey: .path)
        try container.encode(state, forKey: .state)
        try container.encodeIfPresent(reason, forKey: .reason)
        try container.encodeIfPresent(floor, forKey: .floor)
        try container.encode(devices, forKey: .devices)
        try container.encode(fleets, forKey: .fleets)
        try container.encodeIfPresent(instead, forKey: .instead)
        try container.encodeIfPresent(suggestion, forKey: .suggestion)
    }
}
