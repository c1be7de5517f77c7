import AgentEngine
import ArgumentParser
import MartletAPI
import MartletTypes

/// `martlet-agent explain`.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say why this device runs what it runs, and not something else.",
        discussion: """
            For a slot: what serves and who wanted that, what is wanted and what stands in its way, and the table of \
            variants by which the choice was made. For a release, named as NAMESPACE/NAME:VERSION: the same table, \
            also before it is assigned. Asks the agent that runs with the data folder; the agent asks the registry \
            only where too little is on the device, and says so where it cannot.

            Examples:
              martlet-agent explain
              martlet-agent explain triage
              martlet-agent explain clinic/triage:2.0.0 --output json
            """)

    @Argument(help: "A slot or a release (default: every slot).")
    var subject: String?

    @OptionGroup var place: DataOption

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Status.Form = .table

    func run() async throws {
        try await ExitStatus.reporting {
            let explanation = try place.client().explain(subject)
            switch output {
            case .table: StandardStream.output.write(ExplanationTable.text(explanation))
            case .json:
                StandardStream.output.write(
                    String(decoding: try JSONText.encode(explanation, pretty: true), as: UTF8.self) + "\n")
            }
        }
    }
}

/// An explanation for people.
enum ExplanationTable {
    static func text(_ explanation: Explanation) -> String {
        let slots = explanation.slots.map { slot($0, explanation) }
        let parts = slots + explanation.releases.map { release($0, explanation) }
        return parts.isEmpty ? "No slot is assigned.\n" : parts.joined(separator: "\n")
    }

    private static func slot(_ slot: Explanation.Slot, _ explanation: Explanation) -> String {
        var lines = [
            "slot \(slot.slot)", "  serves   \(names(slot.serves))", "           \(slot.because)",
            "  wanted   \(names(slot.wanted))", "           \(slot.wantedBy)",
        ]
        if let blocked = slot.blocked {
            lines += reason("why not", blocked)
            if let retryAt = slot.retryAt { lines.append("           Tried again at \(retryAt).") }
        }
        lines.append("  policy   \(slot.policy.isEmpty ? "nothing may run here" : slot.policy.joined(separator: ", "))")
        let releases = slot.releases.map { release($0, explanation) }
        return lines.joined(separator: "\n") + "\n" + (releases.isEmpty ? "" : "\n" + releases.joined(separator: "\n"))
    }

    private static func release(_ release: Explanation.Release, _ explanation: Explanation) -> String {
        var lines = ["release \(release.path.reference)"]
        if let refused = release.refused { lines += reason("refused", refused) }
        if let memory = release.memoryRoom, let disk = release.diskRoom {
            let place = release.slot.map { "in slot \($0)" } ?? "in a slot of its own"
            lines.append("  room     \(memory) of memory, \(disk) of disk \(place)")
            let order = release.preferences.joined(separator: ", ")
            lines.append("  profile  \(explanation.profile)\(order.isEmpty ? "" : ", prefers \(order)")")
            lines.append("  index    from \(release.source == "device" ? "this device" : "the registry")")
        }
        var text = lines.joined(separator: "\n") + "\n"
        guard !release.variants.isEmpty else { return text }
        let heads = ["", "VARIANT", "VERDICT", "PREFERENCE", "MEMORY", "FILE", "WHY"]
        let rows = release.variants.map { variant in
            [
                variant.runs ? "*" : "", variant.quantization, variant.verdict,
                variant.preference.map(String.init) ?? "-", "\(variant.memory)", "\(variant.fileSize)", variant.reason,
            ]
        }
        text += StatusTable.aligned([heads] + rows)
        if release.variants.contains(where: \.runs) { text += "* serves now\n" }
        if release.omitted > 0 { text += "\(release.omitted) more variants are not shown.\n" }
        return text
    }

    private static func reason(_ head: String, _ reason: Explanation.Reason) -> [String] {
        let padding = String(repeating: " ", count: max(1, 9 - head.count))
        let lines = ["  \(head)\(padding)\(reason.code): \(reason.message)"]
        return reason.remedy.isEmpty ? lines : lines + ["           \(reason.remedy)"]
    }

    private static func names(_ paths: [ReleasePath]) -> String {
        paths.isEmpty ? "nothing" : paths.map(\.reference).joined(separator: "+")
    }
}
