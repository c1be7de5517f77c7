internal import MartletTypes

extension ControlAccess {
    static let members = ["readGroups", "changeGroups"]

    init(_ object: ConfigurationObject) throws(AgentError) {
        self.init()
        readGroups = try object.groups("readGroups")
        changeGroups = try object.groups("changeGroups")
    }
}

extension BackgroundRule {
    static let members = ["niceness", "pauseWhileBusy", "windows", "outsideBytesPerSecond"]

    init(_ object: ConfigurationObject) throws(AgentError) {
        self.init()
        if let niceness = try object.integer("niceness", in: 0...19) { self.niceness = Int32(niceness) }
        pausesWhileBusy = try object.choice("pauseWhileBusy", of: Word.self) != .no
        for (index, text) in try object.list("windows").enumerated() {
            guard let window = WindowText.window(text) else {
                throw object.wrong(
                    "windows[\(index)]", "is no window", "days and times, e.g. mon-fri 22:00-05:00, or 01:00-05:00")
            }
            windows.append(window)
        }
        let bounds = 0...ConfigurationRange.bandwidth.upperBound
        outsideBytesPerSecond = try object.integer("outsideBytesPerSecond", in: bounds) ?? 0
        guard windows.isEmpty, object.isPresent("outsideBytesPerSecond") else { return }
        throw object.wrong("outsideBytesPerSecond", "stands without windows", "it beside windows")
    }

    private enum Word: String, CaseIterable {
        case yes, no
    }
}

extension ConfigurationObject {
    /// Names of groups, as useradd(8) allows them.
    fileprivate func groups(_ name: String) throws(AgentError) -> [String] {
        let groups = try list(name)
        for (index, group) in groups.enumerated()
        where group.utf8.count > 32
            || !group.utf8.allSatisfy({ byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "0123456789_-.".utf8.contains(byte)
            })
        {
            throw wrong("\(name)[\(index)]", "is no name of a group", "at most 32 letters, digits, dots, _ and -")
        }
        return groups
    }
}
