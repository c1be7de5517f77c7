package import MartletTypes

/// One line of the answer to `install` on the control socket: exactly one member is there.
package struct InstallAnswer: Sendable, Hashable, Codable {
    /// The bundle is in; the slots move by themselves now.
    package struct Done: Sendable, Hashable, Codable {
        /// What each slot moves to.
        package var slots: [SlotName: [ReleasePath]]
        /// Bytes that the device lacked.
        package var bytes: ByteCount
    }

    /// The agent is ready for the bundle's bytes.
    var send: Bool?
    var done: Done?
    var error: AgentStatus.Line.Failure?

    func line() throws -> [UInt8] { try JSONText.encode(self) + [UInt8(ascii: "\n")] }
}

extension AgentStatus.Line.Failure {
    init(_ error: any Error) {
        let known = error as? any MartletError
        let summary = ErrorSummary(error)
        self.init(code: summary.code, message: known?.message ?? summary.message, remedy: known?.remedy ?? "")
    }
}
