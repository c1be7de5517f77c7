internal import BundleFormat
internal import Glibc
internal import MartletTypes

/// Gives a bundle to the agent that runs with a data folder: `martlet-agent install --from`.
///
/// The agent has the store and does all the work, as its own user; this end only reads the file, so that a file of
/// root's on a stick needs no rights for the agent, and nothing is copied twice.
package struct BundleSender: Sendable {
    private let folder: String

    /// `data` is the agent's data folder.
    package init(data: String) { folder = data + "/run" }

    /// Sends the file; returns when all of it that the device lacks is in the store and its slots are on their way.
    ///
    /// Blocks. Throws `notRunning`, `untrusted`, what the agent answers, and `bundleRefused` where the file cannot be
    /// read.
    package func send(
        _ path: String, slot: String?, progress: (_ done: Int64, _ total: Int64) -> Void
    ) throws -> InstallAnswer.Done {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Self.unreadable(path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw Self.unreadable(path) }
        let socket = try LocalSocket.connect(folder: folder, name: ControlSocket.name)
        defer { close(socket) }
        LocalSocket.setPatience(socket, seconds: Self.patienceSeconds)
        let question = ControlQuestion(command: ControlQuestion.install, slot: slot)
        guard LocalSocket.write(try JSONText.encode(question) + [UInt8(ascii: "\n")], to: socket),
            let line = LocalSocket.read(socket, limit: AgentLimits.controlBytes, throughLine: true)
        else { throw Self.noAnswer }
        guard try Self.answer(line).send == true else { throw Self.noAnswer }
        try pump(file, path, Int64(status.st_size), to: socket, progress)
        shutdown(socket, Int32(SHUT_WR))
        guard let last = LocalSocket.read(socket, limit: AgentLimits.controlAnswerBytes, throughLine: true),
            let done = try Self.answer(last).done
        else { throw Self.noAnswer }
        return done
    }

    /// Sends until the end, or until the agent does not want more: then its answer says why.
    private func pump(
        _ file: Int32, _ path: String, _ total: Int64, to socket: Int32, _ progress: (Int64, Int64) -> Void
    ) throws {
        var buffer = [UInt8](repeating: 0, count: 256 * 1024)
        var done: Int64 = 0
        while true {
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.unreadable(path) }
            guard count > 0, LocalSocket.write(Array(buffer[..<count]), to: socket) else { return }
            done += Int64(count)
            progress(done, total)
        }
    }

    /// Throws what the agent says went wrong.
    private static func answer(_ line: [UInt8]) throws -> InstallAnswer {
        guard let answer = try? JSONText.decode(InstallAnswer.self, from: line) else { throw noAnswer }
        if let error = answer.error {
            throw ReportedFailure(code: error.code, message: error.message, remedy: error.remedy)
        }
        return answer
    }

    private static func unreadable(_ path: String) -> AgentError {
        AgentError(
            .bundleRefused, "\(path) cannot be read: \(String(cString: strerror(errno))).",
            remedy: "Check the path, the stick, and that you may read it.", fault: .environment)
    }

    private static let noAnswer = AgentError(
        .notRunning, "The agent does not answer.", remedy: "See its log; install again.", fault: .environment)

    /// Planning may wait for a registry that is away, and a slow disk for its own.
    private static let patienceSeconds = 600
}
