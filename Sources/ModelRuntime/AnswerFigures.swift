internal import NIOCore

/// What an engine tells about an answer at its end: the tokens, and the time for them.
///
/// Read from the last bytes as they pass, without parsing each chunk. A quotation mark inside a JSON string is always
/// escaped, so what a model says can not be taken for a member's name.
struct AnswerFigures {
    /// How much of the end is kept: `usage` and `timings` of llama.cpp have under one KiB together.
    private static let tailBytes = 4096

    private var tail: [UInt8] = []

    /// Looks at a piece of the body.
    mutating func take(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { tail.append(contentsOf: $0.suffix(Self.tailBytes)) }
        if tail.count > Self.tailBytes * 2 { tail.removeFirst(tail.count - Self.tailBytes) }
    }

    /// Whether a piece of an event stream brings data. Comments begin with a colon and only keep the connection alive.
    static func hasData(_ bytes: ByteBuffer) -> Bool {
        bytes.readableBytesView.prefix(128).split(separator: UInt8(ascii: "\n"))
            .contains { $0.starts(with: "data:".utf8) }
    }

    /// Tokens of the prompt.
    var inputTokens: Double? { number("\"prompt_tokens\":") ?? sum("\"prompt_n\":", "\"cache_n\":") }
    /// Tokens of the answer.
    var outputTokens: Double? { number("\"completion_tokens\":") ?? number("\"predicted_n\":") }
    /// Seconds that the answer's tokens took the engine.
    var outputSeconds: Double? { number("\"predicted_ms\":").map { $0 / 1000 } }

    /// Milliseconds that each token of an answer took the engine; nil where it does not tell.
    static func tokenMilliseconds(_ answer: ByteBuffer) -> Double? {
        var figures = AnswerFigures()
        figures.take(answer)
        guard let seconds = figures.outputSeconds, let tokens = figures.outputTokens, tokens > 0 else { return nil }
        return seconds * 1000 / tokens
    }

    private func sum(_ first: String, _ second: String) -> Double? {
        number(first).map { $0 + (number(second) ?? 0) }
    }

    private func number(_ name: String) -> Double? {
        let name = Array(name.utf8)
        guard tail.count > name.count else { return nil }
        for position in stride(from: tail.count - name.count, through: 0, by: -1)
        where tail[position] == name[0] && tail[position..<position + name.count].elementsEqual(name) {
            guard position == 0 || tail[position - 1] != UInt8(ascii: "\\") else { continue }
            let digits = tail[(position + name.count)...].prefix(24).drop { $0 == UInt8(ascii: " ") }
                .prefix { $0 == UInt8(ascii: ".") || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) }
            return Double(String(decoding: digits, as: UTF8.self))
        }
        return nil
    }
}
