import ArgumentParser
import MartletAPI
import MartletTypes

struct ReleasesShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one release whole.",
        discussion: """
            Examples:
              martlet releases show clinic/triage:2.0.0
              martlet releases show clinic/triage@stable --output json
            """)
    @Argument(help: "NAMESPACE/NAME:VERSION or NAMESPACE/NAME@ALIAS.", transform: ReleaseReference.init) var release:
        ReleaseReference
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let info = try await session.get(OperatorRoutes.release, ["path": path.text], as: ReleaseInfo.self)
        try options.printer.show(info) { info in
            var pairs = [
                ("release", info.path.reference), ("kind", info.kind.rawValue), ("state", info.state.rawValue),
                ("index", info.indexDigest.text), ("published", info.published.description),
                ("aliases", info.aliases.map(\.text).joined(separator: ", ")), ("devices", String(info.devices)),
            ]
            if let reason = info.reason { pairs.append(("reason", reason)) }
            if let floor = info.floor { pairs.append(("floor", "nothing below \(floor) is installed")) }
            if let use = info.takenBack { pairs.append(("still runs", ReleasesBlock.stillRunning(use))) }
            if let base = info.base { pairs.append(("adapter of", base.reference)) }
            if let accuracy = info.minAccuracy { pairs.append(("least accuracy", String(accuracy))) }
            for variant in info.variants {
                let memory = variant.minMemory.map { ", needs \($0) of memory" } ?? ""
                pairs.append(("variant", "\(variant.quantization) \(variant.size) for \(variant.platform)\(memory)"))
                pairs.append(("  manifest", variant.digest.text))
            }
            return .facts(pairs)
        }
    }
}
