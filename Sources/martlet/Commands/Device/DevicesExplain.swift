import ArgumentParser
import BundleFormat
import DeviceProfiles
import MartletAPI
import MartletTypes
import RegistryClient

struct DevicesExplain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say which variant of a release a device would run, and why not the others.",
        discussion: """
            By what the device last reported of itself: hardware, engines, room, and what its other slots take. The \
            choice is the device's own: what fits, then what its profile prefers. Nothing is assigned. What is true \
            now is told on the device by `martlet-agent explain`.

            Examples:
              martlet devices explain pi-1 clinic/triage:2.0.0
              martlet devices explain pi-1 clinic/triage@stable --slot triage --output json
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Argument(help: "NAMESPACE/NAME:VERSION or NAMESPACE/NAME@ALIAS.", transform: ReleaseReference.init) var release:
        ReleaseReference
    @Option(
        help: "The slot that it shall run in (default: the one that runs its other versions, else one of its own).",
        transform: SlotName.init) var slot: SlotName?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let info = try await session.get(OperatorRoutes.device, ["device": device.text], as: DeviceInfo.self)
        guard let inventory = info.inventory else {
            throw CommandError(
                "noInventory", "\(device) has not reported its hardware yet.",
                remedy: "Wait until its agent has reached the registry once: martlet devices show \(device).",
                fault: .environment)
        }
        let published = try await session.get(OperatorRoutes.release, ["path": path.text], as: ReleaseInfo.self)
        let bytes = try await OCIClient(http: session.http).manifest(published.indexDigest, in: path.repository)
        let index = try ReleaseIndex(parsing: bytes)
        let explanation = DeviceExplanation(
            device: device, release: path, candidates: index.variants.map(Self.candidate), inventory: inventory,
            profile: try Self.profile(inventory.profile), slot: slot ?? info.slot(of: path.repository),
            lastSeen: info.lastSeen)
        try options.printer.say(explanation, Self.text)
    }

    /// A device may be newer than this program, and go by a profile that it does not know.
    private static func profile(_ id: String) throws -> DeviceProfile {
        guard let profile = try ProfileCatalog.embedded().profiles.first(where: { $0.id == id }) else {
            throw CommandError(
                "unknownProfile", "The device goes by the profile \(id), which this version does not know.",
                remedy: "Use a martlet of the agent's version, or ask on the device: martlet-agent explain.")
        }
        return profile
    }

    private static func candidate(_ entry: VariantEntry) -> VariantCandidate {
        VariantCandidate(
            name: entry.descriptor.digest.text, os: entry.platform.os, architecture: entry.platform.architecture,
            quantization: entry.quantization, fileSize: entry.fileSize, minMemory: entry.minMemory,
            cpuFeatures: entry.cpuFeatures, engine: entry.engine, shape: entry.shape,
            adapters: [entry.adapterShape].compactMap(\.self))
    }

    private static func text(_ explanation: DeviceExplanation) -> String {
        let place = explanation.slot.map { "in slot \($0)" } ?? "in a slot of its own"
        var lines = [
            "device   \(explanation.device), last seen \(explanation.lastSeen?.description ?? "never")",
            "release  \(explanation.release.reference)",
            "room     \(explanation.memoryRoom) of memory, \(explanation.diskRoom) of disk \(place)",
            "profile  \(explanation.profile), prefers \(explanation.preferences.joined(separator: ", "))", "",
        ]
        var table = Table(heads: ["", "variant", "verdict", "preference", "memory", "file", "why"])
        table.whenEmpty = "The release has no variants."
        table.rows = explanation.variants.map { variant in
            [
                variant.runs ? "*" : "", variant.quantization, variant.verdict,
                variant.preference.map(String.init) ?? "-", "\(variant.memory)", "\(variant.fileSize)", variant.reason,
            ]
        }
        lines += table.text.split(separator: "\n").map(String.init)
        if explanation.variants.contains(where: \.runs) { lines.append("* runs on the device now") }
        if explanation.omitted > 0 { lines.append("\(explanation.omitted) more variants are not shown.") }
        if explanation.chosen == nil { lines.append("No variant fits this device now.") }
        return lines.joined(separator: "\n")
    }
}
