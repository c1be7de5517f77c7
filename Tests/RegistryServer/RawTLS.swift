import Foundation
import MartletTypes
import RegistryClient
import Synchronization
import TestSupport

/// A connection by `openssl s_client` that stays open, for what a client library does behind one's back.
final class RawTLS: Sendable {
    private struct State {
        var received = ""
        var isClosed = false
    }

    private let state = Mutex(State())
    private let process: ChildProcess
    private let input: FileHandle

    init(
        to origin: Origin, certificate: String? = nil, key: [UInt8]? = nil, folder: TemporaryFolder,
        options: [String] = []
    ) throws {
        var arguments = ["s_client", "-quiet", "-connect", "\(origin.host):\(origin.port)"] + options
        if let certificate, let key {
            let name = folder.file("raw-\(UInt32.random(in: 0...UInt32.max))")
            try Data(certificate.utf8).write(to: URL(fileURLWithPath: name + ".crt"))
            try Data(key).write(to: URL(fileURLWithPath: name + ".pem"))
            arguments += ["-cert", name + ".crt", "-key", name + ".pem"]
        }
        let (stdin, stdout) = (try ChildProcess.pipe(), try ChildProcess.pipe())
        process = try ChildProcess(
            "/usr/bin/openssl", arguments, input: .descriptor(stdin.reading.fileDescriptor),
            output: .descriptor(stdout.writing.fileDescriptor), errors: .nothing)
        // The child's end of its output must be the only one, or its end would never be read.
        try stdin.reading.close()
        try stdout.writing.close()
        input = stdin.writing
        let reader = stdout.reading
        Thread.detachNewThread { [self] in
            while true {
                let data = reader.availableData
                state.withLock { state in
                    if data.isEmpty { state.isClosed = true }
                    state.received += String(decoding: data, as: UTF8.self)
                }
                if data.isEmpty { return }
            }
        }
    }

    /// Whether the other side ended the connection, or never took it.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// What came so far.
    var received: String { state.withLock { $0.received } }

    func send(_ text: String) { try? input.write(contentsOf: Data(text.utf8)) }

    /// Sends a request line without a body and waits for the head of an answer.
    func request(_ line: String) async throws -> String {
        send(line + "\r\nHost: localhost\r\n\r\n")
        try await eventually(within: 20, "an answer to \(line)") { [self] in
            received.contains("\r\n\r\n") || isClosed
        }
        return received
    }

    deinit {
        try? input.close()
        process.terminate()
    }
}
