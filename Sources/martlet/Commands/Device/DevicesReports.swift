import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesReports: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reports", abstract: "Show each step that a device told, newest first.",
        discussion: "Example: martlet devices reports pi-1 --limit 10")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "Rows to show (default: 50).", transform: Count.positive) var limit = 50
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let reports = try await options.session().list(
            OperatorRoutes.deviceHistory, ["device": device.text], of: DeviceReport.self, limit: limit)
        try options.printer.show(reports) { reports in
            var table = Table(heads: ["time", "slot", "release", "state", "code", "message"])
            table.rows = reports.map {
                [
                    $0.time.description, $0.slot?.text ?? "-", references($0.releases), $0.state?.rawValue ?? "-",
                    $0.code ?? "-", $0.message ?? "",
                ]
            }
            table.whenEmpty = "it has reported nothing yet"
            return table
        }
    }
}
