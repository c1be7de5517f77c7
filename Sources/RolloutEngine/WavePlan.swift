package import MartletTypes

/// Which devices move when.
package enum WavePlan {
    /// The waves of a rollout over `members`: cumulative sizes by the policy, the last takes all that is left.
    ///
    /// The order is that of a hash of `seed` and the device's name: it looks random, and a device keeps its place among
    /// the others when some join or leave. A share is rounded up, so that 1 % of few devices is one device. Waves that
    /// would add nobody are left out.
    package static func waves(
        of members: some Sequence<DeviceID>, by sizes: [RolloutPolicy.WaveSize], seed: String
    ) -> [[DeviceID]] {
        let order = Set(members)
            .map { (hash: Digest.of(Array("\(seed)\n\($0.text)".utf8)).hex, device: $0) }
            .sorted { ($0.hash, $0.device) < ($1.hash, $1.device) }
            .map(\.device)
        var waves: [[DeviceID]] = []
        var taken = 0
        for size in sizes {
            let end = min(order.count, cumulative(size, of: order.count))
            guard end > taken else { continue }
            waves.append(Array(order[taken..<end]))
            taken = end
        }
        if taken < order.count { waves.append(Array(order[taken...])) }
        return waves
    }

    private static func cumulative(_ size: RolloutPolicy.WaveSize, of count: Int) -> Int {
        switch size {
        case .count(let value): max(0, value)
        case .percent(let value): Int((Double(count) * min(max(value, 0), 100) / 100).rounded(.up))
        }
    }
}
