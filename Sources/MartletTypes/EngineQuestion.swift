/// A plain HTTP request to an engine and where its answer stands: how a probe or an evaluation row asks a model that is
/// no language model. The format is `docs/formats/probes.md`.
package struct EngineQuestion: Sendable, Hashable, Codable {
    /// The path with its query, as the engine knows it, e.g. `/classify`.
    package var path: String
    /// What is posted as JSON; nil asks with GET.
    package var body: JSONValue?
    /// Where in the JSON answer that stands which is compared, as a JSON pointer (RFC 6901); nil is the whole body.
    package var answer: String?

    package init(path: String, body: JSONValue? = nil, answer: String? = nil) {
        self.path = path
        self.body = body
        self.answer = answer
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case path, body, answer
    }

    /// Why it cannot be asked; nil where it can.
    package var fault: String? {
        guard Self.isPath(path) else {
            return "path is not 1 to \(Limits.engineQuestionPathBytes) visible ASCII characters that begin with /"
        }
        if let answer, !answer.isEmpty, !answer.hasPrefix("/") {
            return "answer is no JSON pointer, which begins with /"
        }
        return nil
    }

    /// Whether a text may stand as the target of a request.
    package static func isPath(_ text: String) -> Bool {
        text.hasPrefix("/") && text.utf8.count <= Limits.engineQuestionPathBytes
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "#") }
    }

    /// The fields that are known; whatever else stands there is refused.
    package static let fields = Set(CodingKeys.allCases.map(\.rawValue))

    /// The text that is compared, out of the body of an answer; nil where the body has nothing at that place.
    package func text(of body: [UInt8]) -> String? {
        guard let answer else { return String(decoding: body, as: UTF8.self) }
        guard let document = try? JSONValue(parsing: body), let value = document.value(at: answer) else { return nil }
        if case .string(let text) = value { return text }
        return (try? JSONText.encode(value)).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension JSONValue {
    /// The value at a JSON pointer (RFC 6901); nil where there is none.
    package func value(at pointer: String) -> JSONValue? {
        guard !pointer.isEmpty else { return self }
        guard pointer.hasPrefix("/") else { return nil }
        var value = self
        for token in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            guard let next = value.member(Self.unescaped(token)) else { return nil }
            value = next
        }
        return value
    }

    private func member(_ token: String) -> JSONValue? {
        switch self {
        case .object(let members): return members[token]
        case .array(let elements):
            guard let index = Int(token), String(index) == token, elements.indices.contains(index) else { return nil }
            return elements[index]
        default: return nil
        }
    }

    /// `~1` stands for a slash, `~0` for a tilde; each is read once.
    private static func unescaped(_ token: Substring) -> String {
        var text = ""
        var isEscape = false
        for character in token {
            if isEscape {
                text.append(character == "1" ? "/" : character == "0" ? "~" : character)
                isEscape = false
            } else if character == "~" {
                isEscape = true
            } else {
                text.append(character)
            }
        }
        return text
    }
}
