internal import MartletTypes
internal import NIOCore
internal import Synchronization

/// One live request with its answer, for a candidate that is to be asked the same. Never leaves the device.
struct ShadowSample: Sendable {
    let path: String
    let request: ByteBuffer
    let answer: ByteBuffer
    let isStream: Bool
    /// From the whole request to the end of the answer.
    let duration: Duration
}

/// Takes a share of a slot's live requests aside for a candidate.
///
/// What is taken waits in a short queue; where it is full, or live requests wait for their engine, the candidate goes
/// without. Live requests never wait for any of it.
final class ShadowTap: Sendable {
    private struct State {
        var queue: [ShadowSample] = []
        var reader: CheckedContinuation<ShadowSample?, Never>?
        var presser: CheckedContinuation<Void, Never>?
        var isPressed = false
        var isClosed = false
        var passedOver = 0
    }

    private let share: Double
    private let random: @Sendable () -> Double
    private let state = Mutex(State())
    /// Requests that the live engine answers at once; when more are with it, some wait.
    let liveSlots: Int

    init(sharePermille: Int, liveSlots: Int, random: @escaping @Sendable () -> Double) {
        share = Double(min(max(sharePermille, 0), 1000)) / 1000
        self.liveSlots = max(1, liveSlots)
        self.random = random
    }

    /// Requests that were chosen, and not asked of the candidate.
    var passedOver: Int { state.withLock { $0.passedOver } }

    // MARK: The gateway's side

    /// Whether this request is one of the share. Embeddings are no answers to compare.
    func chooses(_ request: InferenceRequest) -> Bool {
        guard !request.embeds, !request.isPlain, random() < share else { return false }
        guard request.body.readableBytes <= RuntimeLimits.shadowBodyBytes else {
            passOver()
            return false
        }
        return state.withLock { !$0.isClosed }
    }

    /// A chosen request was answered.
    func offer(_ sample: ShadowSample) {
        let reader: CheckedContinuation<ShadowSample?, Never>? = state.withLock { state in
            guard !state.isClosed else { return nil }
            if let reader = state.reader {
                state.reader = nil
                return reader
            }
            if state.queue.count < RuntimeLimits.shadowQueue {
                state.queue.append(sample)
            } else {
                state.passedOver += 1
            }
            return nil
        }
        reader?.resume(returning: sample)
    }

    /// A chosen request is not asked of the candidate after all.
    func passOver() { state.withLock { $0.passedOver += 1 } }

    /// So many requests are with the live engine now: where some wait, the candidate breaks off.
    func notice(inFlight: Int) {
        guard inFlight > liveSlots else { return }
        let presser = state.withLock { state in
            state.isPressed = true
            defer { state.presser = nil }
            return state.presser
        }
        presser?.resume()
    }

    // MARK: The candidate's side

    /// The next request; nil when the tap is closed or the task cancelled. One task reads.
    func next() async -> ShadowSample? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: ShadowSample?? = state.withLock { state in
                    if state.isClosed || Task.isCancelled { return .some(nil) }
                    if !state.queue.isEmpty { return state.queue.removeFirst() }
                    state.reader = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            close()
        }
    }

    /// Forgets that live requests waited.
    func relax() { state.withLock { $0.isPressed = $0.isClosed } }

    /// Returns when live requests wait for their engine, or when the task is cancelled. One task waits.
    func pressure() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isPressed || Task.isCancelled { return true }
                    state.presser = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.presser = nil }
                return state.presser
            }?.resume()
        }
    }

    /// Takes nothing more; who reads gets nil, and a question under way is broken off.
    func close() {
        let (reader, presser) = state.withLock { state in
            state.isClosed = true
            state.isPressed = true
            state.queue = []
            defer {
                state.reader = nil
                state.presser = nil
            }
            return (state.reader, state.presser)
        }
        reader?.resume(returning: nil)
        presser?.resume()
    }
}

/// Keeps one live answer as it passes. On the event loop.
struct ShadowRecorder {
    private let tap: ShadowTap
    private let request: InferenceRequest
    private var answer = ByteBuffer()
    private var isTooLarge = false

    init(_ tap: ShadowTap, _ request: InferenceRequest) {
        self.tap = tap
        self.request = request
    }

    mutating func take(_ bytes: ByteBuffer) {
        guard !isTooLarge else { return }
        isTooLarge = answer.readableBytes + bytes.readableBytes > RuntimeLimits.shadowBodyBytes
        if isTooLarge { answer = ByteBuffer() } else { answer.writeImmutableBuffer(bytes) }
    }

    /// The engine did not answer, and is asked again.
    mutating func beginAnew() {
        answer = ByteBuffer()
        isTooLarge = false
    }

    /// The answer has been sent to its client.
    func finish(isStream: Bool, duration: Duration) {
        guard !isTooLarge else { return tap.passOver() }
        tap.offer(
            ShadowSample(
                path: request.path, request: request.body, answer: answer, isStream: isStream, duration: duration))
    }
}
