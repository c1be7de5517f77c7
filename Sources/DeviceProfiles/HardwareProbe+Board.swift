internal import MartletTypes

/// Board and distribution.
extension HardwareProbe {
    func board(_ tree: inout SystemTree) -> HardwareFacts.Board? {
        for base in ["/proc/device-tree", "/sys/firmware/devicetree/base"] where tree.exists(base) {
            let compatible = tree.strings(base + "/compatible")
            let model = tree.line(base + "/model")
            let vendor = compatible.first?.split(separator: ",").first.map(String.init)
            if model != nil || !compatible.isEmpty {
                return .init(vendor: vendor, model: model, compatible: compatible)
            }
        }
        let vendor = name(&tree, "sys_vendor") ?? name(&tree, "board_vendor")
        let model = name(&tree, "product_name") ?? name(&tree, "board_name")
        guard vendor != nil || model != nil else { return nil }
        var board = HardwareFacts.Board(vendor: vendor, model: model)
        board.firmware = name(&tree, "bios_version")
        return board
    }

    /// A name from DMI; nil where the maker left the template's words.
    private func name(_ tree: inout SystemTree, _ file: String) -> String? {
        guard let name = tree.line("/sys/class/dmi/id/" + file) else { return nil }
        return Self.placeholders.contains(name.lowercased()) ? nil : name
    }

    private static let placeholders: Set<String> = [
        "to be filled by o.e.m.", "default string", "system manufacturer", "system product name", "not specified",
        "not applicable", "none", "unknown", "o.e.m.", "oem", "type1productconfigid",
    ]

    func distribution(_ tree: inout SystemTree) -> HardwareFacts.Distribution? {
        guard let text = tree.text("/etc/os-release") ?? tree.text("/usr/lib/os-release") else { return nil }
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let value = line[line.index(after: equals)...].filter { $0 != "\"" && $0 != "'" }
            values[String(line[..<equals])] = String(value.prefix(DeviceProfilesLimits.textBytes))
        }
        guard let id = values["ID"] else {
            tree.note("/etc/os-release", "has no ID")
            return nil
        }
        return .init(id: id, version: values["VERSION_ID"], name: values["PRETTY_NAME"])
    }
}
