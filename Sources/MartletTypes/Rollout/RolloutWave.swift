/// One wave of a rollout.
package struct RolloutWave: Sendable, Hashable {
    /// How far the rollout has come after it among the devices that `selector` matches, cumulative; nil takes all of
    /// them.
    package var size: RolloutPolicy.WaveSize?
    /// Only devices that match; nil takes the next in the order.
    package var selector: LabelSelector?
    /// Seconds from the end of its last device to the start of the next wave, in which gates go on measuring.
    package var soakSeconds: Int
    /// Whether a person must confirm before the next wave starts.
    package var confirm: Bool

    package init(
        size: RolloutPolicy.WaveSize? = nil, selector: LabelSelector? = nil, soakSeconds: Int = 0, confirm: Bool = false
    ) {
        self.size = size
        self.selector = selector
        self.soakSeconds = soakSeconds
        self.confirm = confirm
    }

    /// A wave that ends when so many devices have been taken.
    package static func count(_ value: Int) -> RolloutWave { RolloutWave(size: .count(value)) }
    /// A wave that ends when this share of the members has been taken.
    package static func percent(_ value: Double) -> RolloutWave { RolloutWave(size: .percent(value)) }
}

/// As JSON a size alone (`"10%"`), or an object.
extension RolloutWave: Codable {
    private enum CodingKeys: String, CodingKey {
        case size, selector, soakSeconds, confirm
    }

    package init(from decoder: any Decoder) throws {
        if let size = try? decoder.singleValueContainer().decode(RolloutPolicy.WaveSize.self) {
            self.init(size: size)
            return
        }
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            size: try fields.decodeIfPresent(RolloutPolicy.WaveSize.self, forKey: .size),
            selector: try fields.decodeIfPresent(LabelSelector.self, forKey: .selector),
            soakSeconds: try fields.decodeIfPresent(Int.self, forKey: .soakSeconds) ?? 0,
            confirm: try fields.decodeIfPresent(Bool.self, forKey: .confirm) ?? false)
    }

    package func encode(to encoder: any Encoder) throws {
        if let size, self == RolloutWave(size: size) {
            var value = encoder.singleValueContainer()
            try value.encode(size)
            return
        }
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encodeIfPresent(size, forKey: .size)
        try fields.encodeIfPresent(selector, forKey: .selector)
        try fields.encode(soakSeconds, forKey: .soakSeconds)
        try fields.encode(confirm, forKey: .confirm)
    }
}
