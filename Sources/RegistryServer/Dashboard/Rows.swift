import MartletAPI
import MartletTypes

/// Rows of the tables that several pages share. Members are what the templates name.
struct DeviceRowView {
    struct Slot {
        let slot: String
        let running: String
        let tone: String
    }

    let device: String
    let status: String
    let tone: String
    let labels: [String]
    let profile: String
    let slots: [Slot]
    let lastSeen: String

    init(_ info: DeviceInfo, now: Timestamp) {
        device = info.device.text
        status = Self.status(info)
        tone = Self.tone(info)
        labels = Self.labels(info.labels)
        profile = info.profile ?? "–"
        slots = info.slots.sorted { $0.key < $1.key }.map { name, slot in
            Slot(
                slot: name.text, running: PageWords.references(slot.current),
                tone: !slot.serving && !slot.desired.isEmpty ? "bad" : "")
        }
        lastSeen = PageWords.ago(info.lastSeen, now: now)
    }

    static func status(_ info: DeviceInfo) -> String {
        switch info.standing {
        case .active: info.online ? "online" : "offline"
        case .pending: "waits for approval"
        case .held: "held"
        case .revoked: "revoked"
        }
    }

    static func tone(_ info: DeviceInfo) -> String {
        switch info.standing {
        case .active: info.online ? "good" : "idle"
        case .pending: "warn"
        case .held, .revoked: "bad"
        }
    }

    static func labels(_ labels: Labels) -> [String] {
        labels.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }
}

struct ReleaseRowView {
    let path: String
    let reference: String
    let kind: String
    let state: String
    let tone: String
    let variants: String
    let devices: Int
    let published: String
    let aliases: [String]

    init(_ info: ReleaseInfo) {
        path = info.path.text
        reference = info.path.reference
        kind = info.kind.rawValue
        state = info.state.rawValue
        tone = PageWords.tone(info.state)
        variants = info.variants.map { "\($0.quantization) \($0.size)" }.joined(separator: ", ")
        devices = info.devices
        published = PageWords.time(info.published)
        aliases = info.aliases.map(\.text)
    }
}

struct RolloutRowView {
    let id: String
    let slot: String
    let releases: String
    let fleet: String
    let state: String
    let tone: String
    let bar: String
    let progress: String
    let created: String

    init(_ info: RolloutInfo) {
        id = info.id.text
        slot = info.slot.text
        releases = PageWords.references(info.releases)
        fleet = Self.fleet(info)
        state = PageWords.words(info.state.rawValue)
        tone = PageWords.tone(info.state)
        bar = Self.bar(info.counts)
        let done = info.counts["succeeded"] ?? 0
        let wave = min(info.wave + 1, max(info.waves, 1))
        progress = "\(done) of \(info.counts.values.reduce(0, +)) devices, wave \(wave) of \(max(info.waves, 1))"
        created = PageWords.time(info.created)
    }

    static func fleet(_ info: RolloutInfo) -> String {
        info.fleet?.text ?? (info.selector.text.isEmpty ? "every device" : info.selector.text)
    }

    /// Devices by tone, in the order in which they get there.
    static func bar(_ counts: [String: Int]) -> String {
        var tones: [String: Int] = [:]
        for (state, count) in counts { tones[PageWords.tone(DeviceRolloutState(rawValue: state)), default: 0] += count }
        return Meter(parts: ["good", "busy", "warn", "bad", "idle"].map { ($0, tones[$0] ?? 0) }).svg
    }
}
