package import MartletTypes

/// Which devices move when.
package enum WavePlan {
    /// The waves of a rollout over `candidates`; a last one takes all that is left.
    ///
    /// A size is cumulative over the devices that the wave's selector matches (all where it has none): after a wave of
    /// `10%` with `site=berlin`, a tenth of Berlin has been taken. Devices that match an earlier selector of the
    /// policy's `order` come first; among equals the order is that of a hash of `seed` and the device's name: it looks
    /// random, and a device keeps its place among the others when some join or leave. A share is rounded up, so that
    /// 1 % of few devices is one device. A wave that would add nobody is left out; the wave before it then soaks as
    /// long and is confirmed as it asked.
    package static func plan(
        of candidates: some Sequence<RolloutCandidate>, policy: RolloutPolicy, seed: String
    ) -> [PlannedWave] {
        var left = ordered(candidates, by: policy.order, seed: seed)
        let count = left.count
        var taken: [RolloutCandidate] = []
        var waves: [PlannedWave] = []
        for rule in policy.waves {
            func matches(_ candidate: RolloutCandidate) -> Bool { rule.selector?.matches(candidate.labels) ?? true }
            var wanted = left.count
            if let size = rule.size {
                let matched = rule.selector == nil ? count : taken.filter(matches).count + left.filter(matches).count
                let before = rule.selector == nil ? taken.count : taken.filter(matches).count
                wanted = cumulative(size, of: matched) - before
            }
            var devices: [RolloutCandidate] = []
            var rest: [RolloutCandidate] = []
            for candidate in left {
                if devices.count < wanted, matches(candidate) {
                    devices.append(candidate)
                } else {
                    rest.append(candidate)
                }
            }
            guard !devices.isEmpty else {
                guard let last = waves.indices.last else { continue }
                waves[last].soakSeconds = max(waves[last].soakSeconds, rule.soakSeconds)
                waves[last].confirm = waves[last].confirm || rule.confirm
                continue
            }
            left = rest
            taken += devices
            waves.append(
                PlannedWave(rule: rule, devices: devices, soakSeconds: rule.soakSeconds, confirm: rule.confirm))
        }
        if !left.isEmpty { waves.append(PlannedWave(rule: nil, devices: left, soakSeconds: 0, confirm: false)) }
        return waves
    }

    /// The waves by size alone, of devices whose labels do not matter.
    package static func waves(
        of members: some Sequence<DeviceID>, by sizes: [RolloutWave], seed: String
    ) -> [[DeviceID]] {
        plan(of: members.lazy.map { RolloutCandidate(device: $0) }, policy: RolloutPolicy(waves: sizes), seed: seed)
            .map { $0.devices.map(\.device) }
    }

    /// The devices, each once, in the order in which they come.
    static func ordered(
        _ candidates: some Sequence<RolloutCandidate>, by order: [LabelSelector], seed: String
    ) -> [RolloutCandidate] {
        var seen: Set<DeviceID> = []
        let known = candidates.filter { seen.insert($0.device).inserted }
        let places = known.indices.map { index in
            let rank = order.firstIndex { $0.matches(known[index].labels) } ?? order.count
            return Place(rank: rank, hash: hash(known[index].device, seed: seed), index: index)
        }
        let sorted = places.sorted { left, right in
            if left.rank != right.rank { return left.rank < right.rank }
            if left.hash != right.hash { return left.hash < right.hash }
            return known[left.index].device < known[right.index].device
        }
        return sorted.map { known[$0.index] }
    }

    /// Equal for equal seeds and names; spread evenly over all values.
    static func hash(_ device: DeviceID, seed: String) -> UInt64 {
        let digest = Digest.of(Array("\(seed)\n\(device.text)".utf8)).hex
        return UInt64(digest.prefix(16), radix: 16) ?? 0
    }

    /// Small, so that a million are sorted quickly.
    private struct Place {
        let rank: Int
        let hash: UInt64
        let index: Int
    }

    private static func cumulative(_ size: RolloutPolicy.WaveSize, of count: Int) -> Int {
        switch size {
        case .count(let value): min(count, max(0, value))
        case .percent(let value): Int((Double(count) * min(max(value, 0), 100) / 100).rounded(.up))
        }
    }
}
