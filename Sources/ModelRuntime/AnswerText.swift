internal import MartletTypes

/// The whole text of an engine's answer, whether it came at once or as a stream, and the forms in which two are
/// compared.
enum AnswerText {
    /// What the first choice says: its content, and its calls of tools as `name(arguments)`, one on each line; nil
    /// where
    /// the body is no answer of the OpenAI API, or a stream that was cut.
    static func whole(of body: [UInt8], isStream: Bool) -> String? {
        isStream ? streamed(body) : (try? JSONValue(parsing: body)).flatMap(atOnce)
    }

    private static func atOnce(_ answer: JSONValue) -> String? {
        guard let choice = first(answer) else { return nil }
        if let text = choice["text"]?.string { return text }
        guard let message = choice["message"] else { return nil }
        var parts = Parts()
        parts.add(message)
        return parts.text
    }

    private static func streamed(_ body: [UInt8]) -> String? {
        var parts = Parts()
        var isWhole = false
        for line in body.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") })
        where line.starts(with: "data:".utf8) {
            let data = line.dropFirst("data:".utf8.count).drop { $0 == UInt8(ascii: " ") }
            guard !data.elementsEqual("[DONE]".utf8) else {
                isWhole = true
                continue
            }
            guard let piece = try? JSONValue(parsing: Array(data)) else { return nil }
            guard let choice = first(piece) else { continue }
            if let text = choice["text"]?.string { parts.content += text }
            if let delta = choice["delta"] { parts.add(delta) }
            if choice["finish_reason"]?.string != nil { isWhole = true }
        }
        return isWhole ? parts.text : nil
    }

    private static func first(_ answer: JSONValue) -> JSONValue? {
        answer["choices"]?.array?.first { ($0["index"]?.integer ?? 0) == 0 }
    }

    /// What a message says, or its pieces say one after the other.
    private struct Parts {
        var content = ""
        private var calls: [Int64: (name: String, arguments: String)] = [:]

        mutating func add(_ message: JSONValue) {
            content += message["content"]?.string ?? ""
            for (position, call) in (message["tool_calls"]?.array ?? []).prefix(RuntimeLimits.comparedCalls)
                .enumerated()
            {
                let index = call["index"]?.integer ?? Int64(position)
                var known = calls[index] ?? ("", "")
                known.name += call["function"]?["name"]?.string ?? ""
                known.arguments += call["function"]?["arguments"]?.string ?? ""
                calls[index] = known
            }
        }

        var text: String {
            let called = calls.sorted { $0.key < $1.key }.map { "\($0.value.name)(\(canonical($0.value.arguments)))" }
            return ((content.isEmpty && !called.isEmpty ? [] : [content]) + called).joined(separator: "\n")
        }

        /// Arguments are JSON: neither their order nor their spacing says anything.
        private func canonical(_ arguments: String) -> String {
            guard let value = try? JSONValue(parsing: Array(arguments.utf8)), let bytes = try? JSONText.encode(value)
            else { return arguments }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    // MARK: Forms

    /// Trimmed of white space, in lower case.
    static func label(_ text: String) -> String {
        var text = text[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text.lowercased()
    }

    /// In lower case, without punctuation, with one space where there was any white space.
    static func normalized(_ text: String) -> String {
        text.lowercased().filter { !$0.isPunctuation }.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// The cosine of the angle between two vectors, -1 to 1; nil where they have none.
    static func cosine(_ left: [Double], _ right: [Double]) -> Double? {
        guard left.count == right.count, !left.isEmpty else { return nil }
        var (dot, leftSquare, rightSquare) = (0.0, 0.0, 0.0)
        for (left, right) in zip(left, right) {
            dot += left * right
            leftSquare += left * left
            rightSquare += right * right
        }
        let length = (leftSquare * rightSquare).squareRoot()
        return length > 0 && length.isFinite ? dot / length : nil
    }
}
