/// A device's labels, e.g. `site=berlin`. Keys and values follow Kubernetes' rules for labels without a prefix.
package struct Labels: Sendable, Hashable, Codable {
    /// Values by key.
    package let values: [String: String]

    package init(_ values: [String: String]) throws(InvalidValue) {
        guard values.count <= Limits.labelsPerDevice else {
            throw InvalidValue(
                kind: "set of labels", value: "\(values.count) labels", rule: "at most \(Limits.labelsPerDevice)")
        }
        for (key, value) in values {
            guard Self.isName(key), value.isEmpty || Self.isName(value) else {
                throw InvalidValue(
                    kind: "label", value: "\(key)=\(value)",
                    rule:
                        "KEY=VALUE of at most 63 letters, digits, '.', '_' and '-', "
                        + "starting and ending with a letter or digit"
                )
            }
        }
        self.values = values
    }

    /// No labels.
    package static let none = Labels(unchecked: [:])

    private init(unchecked values: [String: String]) { self.values = values }

    package init(from decoder: any Decoder) throws {
        self = try decoder.checked { (values: [String: String]) throws(InvalidValue) in try Self(values) }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(values)
    }

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, text.utf8.count <= Limits.labelBytes else {
            return false
        }
        return NameRule.isAlphanumeric(first) && NameRule.isAlphanumeric(last)
            && text.utf8.allSatisfy { NameRule.isAlphanumeric($0) || "._-".utf8.contains($0) }
    }
}

/// A label selector in Kubernetes' grammar: `site=berlin,tier!=lab,zone in (a,b),!retired`. Empty selects all.
///
/// Source: Kubernetes documentation, "Labels and Selectors".
package struct LabelSelector: ValidatedString {
    /// One condition; a selector is their conjunction.
    package enum Term: Sendable, Hashable {
        case equals(String, String)
        case differs(String, String)
        case among(String, Set<String>)
        case notAmong(String, Set<String>)
        case exists(String)
        case absent(String)
    }

    package let text: String
    /// The conditions, all of which must hold.
    package let terms: [Term]

    package init(_ text: String) throws(InvalidValue) {
        var terms: [Term] = []
        for part in Self.splitOutsideParentheses(text) {
            guard let term = Self.term(part) else {
                throw InvalidValue(
                    kind: "label selector", value: text,
                    rule: "terms like site=berlin,tier!=lab,zone in (a,b),!retired")
            }
            terms.append(term)
        }
        guard terms.count <= Limits.selectorTerms else {
            throw InvalidValue(kind: "label selector", value: text, rule: "at most \(Limits.selectorTerms) terms")
        }
        self.text = text
        self.terms = terms
    }

    /// Whether a device with these labels is selected.
    package func matches(_ labels: Labels) -> Bool {
        terms.allSatisfy { term in
            switch term {
            case .equals(let key, let value): labels.values[key] == value
            case .differs(let key, let value): labels.values[key] != value
            case .among(let key, let values): labels.values[key].map(values.contains) ?? false
            case .notAmong(let key, let values): !(labels.values[key].map(values.contains) ?? false)
            case .exists(let key): labels.values[key] != nil
            case .absent(let key): labels.values[key] == nil
            }
        }
    }

    private static func splitOutsideParentheses(_ text: String) -> [String] {
        var parts: [String] = []
        var current = ""
        var depth = 0
        for character in text {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character == ",", depth == 0 {
                parts.append(current)
                current = ""
            } else {
                current.append(character)
            }
        }
        if !parts.isEmpty || !trimmed(current).isEmpty { parts.append(current) }
        return parts
    }

    private static func term(_ text: String) -> Term? {
        let part = trimmed(text)
        for (separator, build) in [("!=", Term.differs), ("==", Term.equals), ("=", Term.equals)] {
            let sides = part.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else { continue }
            let key = trimmed(String(sides[0]))
            let value = trimmed(String(sides[1]))
            guard Labels.isName(key), value.isEmpty || Labels.isName(value) else { return nil }
            return build(key, value)
        }
        if part.hasSuffix(")"), let open = part.firstIndex(of: "(") {
            let head = part[..<open].split(separator: " ").map(String.init)
            let values = part[part.index(after: open)...].dropLast().split(separator: ",").map { trimmed(String($0)) }
            guard head.count == 2, Labels.isName(head[0]), !values.isEmpty, values.allSatisfy({ Labels.isName($0) })
            else { return nil }
            if head[1] == "in" { return .among(head[0], Set(values)) }
            return head[1] == "notin" ? .notAmong(head[0], Set(values)) : nil
        }
        if part.hasPrefix("!") {
            let key = trimmed(String(part.dropFirst()))
            return Labels.isName(key) ? .absent(key) : nil
        }
        return Labels.isName(part) ? .exists(part) : nil
    }

    private static func trimmed(_ text: String) -> String {
        let head = text.drop { $0 == " " }
        return String(head.reversed().drop { $0 == " " }.reversed())
    }
}
