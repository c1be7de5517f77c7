internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import Telemetry

/// What an exchange does to its client. All on the event loop.
protocol ExchangeClient: AnyObject {
    /// Answers whole.
    func answer(_ reply: GatewayReply)
    /// Begins an answer that is passed on piece by piece.
    func begin(_ head: HTTPResponseHead)
    func pass(_ bytes: ByteBuffer)
    func end()
    /// Breaks off an answer that has begun, after these last bytes, so that the client sees that it is not whole.
    func breakOff(_ lastWords: ByteBuffer?)
    var isWritable: Bool { get }
}

/// One request of a client from its last byte to the end of its answer: waits, asks, asks again, passes on, measures.
///
/// Lives on the event loop.
final class Exchange: EngineConnectionDelegate {
    /// An answer of known length up to this is held until it is whole, so that an engine's death in it stays unseen.
    private static let heldAnswerBytes = 1024 * 1024
    /// The first pause before an engine that could not be reached is tried again; it doubles up to the last.
    private static let firstPause = TimeAmount.milliseconds(20)
    private static let lastPause = TimeAmount.milliseconds(500)

    private let core: GatewayCore
    private let request: InferenceRequest
    private let loop: any EventLoop
    private weak var client: (any ExchangeClient)?
    private var identifier: RouteTable.RequestID = 0
    private let arrived = NIODeadline.now()

    private var target: RouteTable.Target?
    private var connection: EngineConnection?
    private var timer: Scheduled<Void>?
    private var pause = Exchange.firstPause
    private var deaths = 0
    /// Whether a connection that an earlier request left may be taken.
    private var mayReuse = true
    private var isOver = false

    private var head: HTTPResponseHead?
    private var held: ByteBuffer?
    private var hasBegun = false
    private var figures = AnswerFigures()
    private var firstToken: NIODeadline?
    /// Keeps the answer where a candidate is to be asked the same.
    private var recorder: ShadowRecorder?

    init(_ request: InferenceRequest, core: GatewayCore, loop: any EventLoop, client: any ExchangeClient) {
        self.request = request
        self.core = core
        self.loop = loop
        self.client = client
    }

    /// Starts; from here on the exchange ends by itself.
    func start() {
        recorder = core.recorder(for: request)
        let bound = NIOLoopBound(self, eventLoop: loop)
        let loop = loop
        identifier = core.register { _ in
            GatewayCore.Handle(
                retry: { loop.execute { bound.value.ask() } }, cut: { loop.execute { bound.value.cut() } })
        }
        ask()
    }

    /// The client went away.
    func abandon() {
        guard !isOver else { return }
        finish { $0.abandoned += 1 }
    }

    /// The client takes more again.
    func clientTakesMore() { connection?.resume() }

    var takesMore: Bool { client?.isWritable ?? true }

    // MARK: Asking

    private func ask() {
        guard !isOver, connection == nil else { return }
        timer?.cancel()
        switch core.admit(identifier, to: request.slot, byteCount: request.body.readableBytes) {
        case .forward(let target) where request.embeds && !target.route.embeds:
            finish { _ in }
            client?.answer(.noEmbeddings(request.slot))
        case .forward(let target) where request.isPlain != (target.route.speaks == .http):
            finish { _ in }
            client?.answer(.otherProtocol(request))
        case .forward(let target):
            self.target = target
            send(to: target.route)
        case .wait:
            after(deadline - .now()) { exchange in
                let notice = exchange.core.notice(of: exchange.request.slot)
                exchange.refuse(notice?.message ?? "The slot did not become ready in time.", notice)
            }
        case .queueFull: refuse("Too many requests wait for this slot.")
        case .refused(let notice): refuse(notice.message, notice)
        case .unknown:
            finish { _ in }
            client?.answer(.unknownSlot(request.slot.text, known: core.slotStates.map(\.slot)))
        }
    }

    /// A connection tells at once where its engine is gone: it is taken hold of before it is asked.
    private func send(to route: GatewayRoute) {
        if mayReuse, let kept = core.pool.value.take(route) {
            connection = kept
            return kept.ask(request, delegate: self)
        }
        let new = EngineConnection(request, to: route, core: core, delegate: self)
        connection = new
        new.open(loop: loop)
    }

    private var isStream: Bool { head?.headers.first(name: "content-type")?.hasPrefix("text/event-stream") == true }

    private var deadline: NIODeadline { arrived + TimeAmount(core.configuration.maxPark) }

    private func after(_ delay: TimeAmount, _ action: @escaping (Exchange) -> Void) {
        timer = loop.assumeIsolated().scheduleTask(in: delay) { action(self) }
    }

    private func refuse(_ message: String, _ notice: WaitNotice? = nil) {
        target = nil
        finish { $0.refused += 1 }
        let seconds = notice?.retryAfterSeconds ?? Int(core.configuration.maxPark.inSeconds.rounded(.up))
        client?.answer(
            .refused(
                retryAfterSeconds: max(1, seconds), message, code: notice == nil ? "slot_busy" : "slot_not_started"))
    }

    /// The engine did not answer, and the client has seen nothing of it: asks again where that can help.
    private func askAgain(_ loss: EngineLoss?) {
        connection = nil
        head = nil
        held = nil
        firstToken = nil
        figures = AnswerFigures()
        recorder?.beginAnew()
        core.finished(identifier)
        mayReuse = false
        guard let target else { return }
        if loss == .gone || loss == .stale {
            deaths += 1
            guard deaths <= core.configuration.maxReplays else { return fail("engine_gone", status: 502) }
            core.measure(request.slot, target.route) { $0.replayed += 1 }
        }
        // Nothing speaks against an engine that closed an idle connection: it is asked on a new one, without a pause.
        if loss == .stale || core.hasChanged(since: target) { return ask() }
        guard deadline > .now() else { return refuse("The engine of this slot does not answer.") }
        after(pause) { $0.ask() }
        pause = min(pause + pause, Self.lastPause)
    }

    // MARK: The engine's answer

    func received(_ head: HTTPResponseHead) {
        guard head.status != .serviceUnavailable else {
            connection?.close()
            return askAgain(.notReached)
        }
        self.head = head
        let length = head.headers.first(name: "content-length").flatMap { Int($0) }
        if let length, length <= Self.heldAnswerBytes { held = ByteBuffer() }
    }

    func received(_ bytes: ByteBuffer) {
        figures.take(bytes)
        recorder?.take(bytes)
        if isStream, firstToken == nil, AnswerFigures.hasData(bytes) { firstToken = .now() }
        if held != nil {
            held?.writeImmutableBuffer(bytes)
        } else {
            begin()
            client?.pass(bytes)
        }
    }

    func receivedEnd() {
        connection = nil
        let status = Int(head?.status.code ?? 502)
        // Counted before the client has it all: whoever has an answer finds it in the measurements.
        finish { [self] in measure(&$0, status: status) }
        begin()
        if let held { client?.pass(held) }
        client?.end()
        // Only now that the client has all of it.
        guard status == 200 else { return }
        recorder?.finish(
            isStream: isStream, duration: .nanoseconds((NIODeadline.now() - arrived).nanoseconds))
    }

    func lost(_ loss: EngineLoss) {
        switch loss {
        case .silent where !hasBegun: fail("engine_silent", status: 504)
        case .silent: breakOff("engine_silent") { _ in }
        case .gone where hasBegun, .notReached where hasBegun: breakOff("engine_gone") { _ in }
        case .gone, .notReached, .stale: askAgain(loss)
        }
    }

    /// The engine is about to be ended: what has begun is cut, the rest is asked for again elsewhere.
    private func cut() {
        guard !isOver, let connection else { return }
        connection.close()
        if hasBegun { breakOff("drain_deadline") { $0.cutStreams += 1 } } else { askAgain(nil) }
    }

    private func begin() {
        guard !hasBegun, let head else { return }
        hasBegun = true
        core.begun(identifier)
        var passed = HTTPResponseHead(version: .http1_1, status: head.status)
        // Only what describes the body: the engine's other headers are about its own connection and origin.
        for name in ["content-type", "content-length"] {
            if let value = head.headers.first(name: name) { passed.headers.add(name: name, value: value) }
        }
        client?.begin(passed)
    }

    // MARK: The end

    private func finish(_ change: (inout GatewayInterval) -> Void) {
        isOver = true
        timer?.cancel()
        connection?.close()
        connection = nil
        core.measure(request.slot, target?.route, change)
        core.forget(identifier, slot: request.slot)
    }

    private func fail(_ type: String, status: Int) {
        connection = nil
        finish {
            $0.requests += 1
            $0.countError(type)
        }
        client?.answer(.error(status, "The engine of this slot failed.", type: "server_error", code: type))
    }

    private func breakOff(_ type: String, _ change: (inout GatewayInterval) -> Void) {
        connection = nil
        finish {
            $0.requests += 1
            $0.countError(type)
            change(&$0)
        }
        let event =
            "data: {\"error\":{\"message\":\"The answer was cut.\",\"type\":\"server_error\",\"code\":\"\(type)\"}}\n\n"
        client?.breakOff(isStream ? ByteBuffer(string: event) : nil)
    }

    private func measure(_ interval: inout GatewayInterval, status: Int) {
        let end = NIODeadline.now()
        interval.requests += 1
        // A refusal of the request itself (4xx) is the client's failure and says nothing about the engine.
        if status >= 500 { interval.countError(String(status)) }
        interval.duration.record((end - arrived).inSeconds)
        guard status < 400 else { return }
        if let firstToken { interval.timeToFirstToken.record((firstToken - arrived).inSeconds) }
        if let tokens = figures.inputTokens { interval.inputTokens.record(tokens) }
        guard let tokens = figures.outputTokens else { return }
        interval.outputTokens.record(tokens)
        if let seconds = figures.outputSeconds, tokens > 0 {
            interval.timePerOutputToken.record(seconds / tokens)
        } else if let firstToken, tokens > 1 {
            interval.timePerOutputToken.record((end - firstToken).inSeconds / (tokens - 1))
        }
    }
}

extension TimeAmount {
    /// As a number of seconds.
    var inSeconds: Double { Double(nanoseconds) * 1e-9 }
}
