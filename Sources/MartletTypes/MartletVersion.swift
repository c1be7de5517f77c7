/// The version of this build of Martlet, by SemVer; CHANGELOG.md says what it holds.
package enum MartletVersion {
    package static let text = "0.1.0"

    /// The slot in which the agent itself stands on a device.
    package static let agentSlot = "martlet-agent"

    /// The version as it stands in the agent's program, to be read there without running it.
    private static let stamp: StaticString = "martlet-agent-version=0.1.0;"

    /// What stands before the version in the stamp. In two parts, so that whoever looks for it does not hold it.
    package static var stampMark: String { ["martlet-agent-", "version="].joined() }

    /// The version of the agent that runs: what its program states.
    package static var stamped: String {
        stamp.withUTF8Buffer { bytes in
            let value = bytes.drop { $0 != UInt8(ascii: "=") }.dropFirst().prefix { $0 != UInt8(ascii: ";") }
            return String(decoding: value, as: UTF8.self)
        }
    }
}
