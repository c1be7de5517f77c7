internal import Glibc
internal import Logging
internal import MartletTypes

/// The thread that lets people in: it accepts, checks who it is and reads the question, one after the other.
final class ControlDoor: Sendable {
    /// Who asks what; whoever answers closes the socket.
    struct Question: Sendable {
        let socket: Int32
        let line: [UInt8]
        let peer: LocalSocket.Peer
        /// Whether whoever asks may have something changed.
        let mayChange: Bool
    }

    let questions: AsyncStream<Question>
    private let socket: Int32

    init(socket: Int32, access: ControlAccess, logger: Logger) throws {
        let (questions, inbox) = AsyncStream.makeStream(
            of: Question.self, bufferingPolicy: .bufferingOldest(Int(AgentLimits.controlConnections)))
        self.questions = questions
        self.socket = socket
        let loop = Unmanaged.passRetained(Loop(socket: socket, inbox: inbox, access: access, logger: logger))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Loop>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, loop.toOpaque())
        guard code == 0 else {
            loop.release()
            close(socket)
            throw AgentError(
                .notRunning, "The control socket's thread could not be started.",
                remedy: "Raise the limit of processes.", fault: .environment)
        }
        pthread_detach(thread)
    }

    /// Takes nobody any more; `questions` ends. On Linux this wakes the thread out of `accept`.
    func shut() { shutdown(socket, Int32(SHUT_RDWR)) }

    /// Gives the socket back, after `questions` has ended.
    func leave() { close(socket) }

    private final class Loop: Sendable {
        private let socket: Int32
        private let inbox: AsyncStream<Question>.Continuation
        private let access: ControlAccess
        private let logger: Logger

        init(
            socket: Int32, inbox: AsyncStream<Question>.Continuation, access: ControlAccess, logger: Logger
        ) {
            self.socket = socket
            self.inbox = inbox
            self.access = access
            self.logger = logger
        }

        func run() {
            while true {
                let client = accept(socket, nil, nil)
                if client >= 0 {
                    _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                    take(client)
                } else if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS {
                    // Whoever asks waits until there is room again.
                    usleep(100_000)
                } else if errno != EINTR, errno != ECONNABORTED {
                    break
                }
            }
            inbox.finish()
        }

        private func take(_ client: Int32) {
            LocalSocket.setPatience(client, seconds: 2)
            let rule = access.resolved()
            guard let peer = LocalSocket.peer(client), rule.allows(.read, peer) else {
                refuse(client)
                return
            }
            guard let line = LocalSocket.read(client, limit: AgentLimits.controlBytes, throughLine: true) else {
                close(client)
                return
            }
            let question = Question(
                socket: client, line: line, peer: peer, mayChange: rule.allows(.change, peer))
            if case .enqueued = inbox.yield(question) { return }
            close(client)
        }

        /// Whoever may not even ask is told so before anything is read.
        private func refuse(_ client: Int32) {
            let user = LocalSocket.peer(client)?.user
            logger.warning("refused on the control socket", metadata: ["user": "\(user.map(String.init) ?? "unknown")"])
            do {
                let answer = try AgentStatus.failure(AgentError.controlRefused(.read))
                _ = LocalSocket.write(answer, to: client, flags: Int32(MSG_DONTWAIT))
            } catch {
                logger.error("a refusal failed", metadata: ["error": "\(error)"])
            }
            // What was asked and not read would have the kernel drop the answer with the connection.
            shutdown(client, Int32(SHUT_WR))
            _ = LocalSocket.read(client, limit: AgentLimits.controlBytes, throughLine: false)
            close(client)
        }
    }
}
