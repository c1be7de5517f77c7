import Foundation
import Glibc
import MartletTypes
import ModelRuntime
import Synchronization

/// Engines without a program: a thread behind each socket, which ends when a test says so.
final class ThreadLauncher: RuntimeLauncher {
    /// What its engines do.
    enum Manner: Sendable {
        /// Says that it is well; begins an answer to everything else, and never ends it.
        case begins
        /// Says that it is well, and ends.
        case endsOnceReady
    }

    private let manner: Manner
    private let started = Mutex<[ThreadEngine]>([])

    init(_ manner: Manner) { self.manner = manner }

    /// All that were started so far.
    var engines: [ThreadEngine] { started.withLock { $0 } }

    func launch(_ spec: EngineSpec) async throws(RuntimeError) -> any RuntimeProcess {
        let number = started.withLock { $0.count }
        guard let engine = ThreadEngine(spec.socketPath, number: number, manner) else {
            throw RuntimeError(.engineNotStarted, "No socket at \(spec.socketPath).", fault: .us)
        }
        started.withLock { $0.append(engine) }
        return engine
    }

    func sweep() async {}
}

/// One such engine.
final class ThreadEngine: RuntimeProcess {
    private struct State {
        var isOver = false
        var open: Set<Int32> = []
    }

    /// No process has this number.
    let pid: Int32
    private let listener: Int32
    private let state = Mutex(State())
    private let gone = ExitLatch<EngineExit>()

    var isOver: Bool { state.withLock(\.isOver) }

    init?(_ path: String, number: Int, _ manner: ThreadLauncher.Manner) {
        pid = 1 << 30 + Int32(number)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0, Self.listen(listener, path) else { return nil }
        Thread.detachNewThread { [listener] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else {
                    close(listener)
                    return
                }
                Thread.detachNewThread { self.serve(client, manner) }
            }
        }
    }

    private static func listen(_ socket: Int32, _ path: String) -> Bool {
        let folder = (path as NSString).deletingLastPathComponent
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        unlink(path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 && Glibc.listen(socket, 16) == 0
            }
        }
    }

    private func serve(_ client: Int32, _ manner: ThreadLauncher.Manner) {
        let isWanted = state.withLock { state in
            guard !state.isOver else { return false }
            state.open.insert(client)
            return true
        }
        defer {
            state.withLock { _ = $0.open.remove(client) }
            close(client)
        }
        guard isWanted, let head = Self.request(client) else { return }
        guard head.hasPrefix("GET /health") else {
            Self.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "9\r\ndata: 1\n\n\r\n", client)
            // Until it, or its client, is gone.
            var piece: UInt8 = 0
            _ = recv(client, &piece, 1, 0)
            return
        }
        Self.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", client)
        if manner == .endsOnceReady { end(EngineExit(.exited(3))) }
    }

    /// A request's head, once all of the request has come.
    private static func request(_ client: Int32) -> String? {
        var text = ""
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = recv(client, &piece, piece.count, 0)
            guard count > 0 else { return nil }
            text += String(decoding: piece[..<count], as: UTF8.self)
            let parts = text.components(separatedBy: "\r\n\r\n")
            guard parts.count > 1 else { continue }
            let length = parts[0].lowercased().components(separatedBy: "content-length: ").dropFirst().first
            let wanted = length.map { Int($0.prefix(while: \.isNumber)) ?? 0 } ?? 0
            if parts.dropFirst().joined(separator: "\r\n\r\n").utf8.count >= wanted { return parts[0] }
        }
    }

    private static func send(_ text: String, _ client: Int32) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// It ends by itself, with all its connections.
    func end(_ exit: EngineExit) {
        let isFirst = state.withLock { state in
            guard !state.isOver else { return false }
            state.isOver = true
            for client in state.open { shutdown(client, Int32(SHUT_RDWR)) }
            shutdown(listener, Int32(SHUT_RDWR))
            return true
        }
        if isFirst { gone.open(exit) }
    }

    func waitForExit() async -> EngineExit { await gone.wait() ?? EngineExit(.unobserved) }

    func terminate(grace: Duration) async -> EngineExit {
        let exit = EngineExit(.signalled(SIGTERM))
        end(exit)
        return await gone.wait() ?? exit
    }

    func memory() -> EngineMemory? { nil }
}
