import MartletTypes

/// Reads single values, and gathers what is wrong with them instead of stopping.
///
/// Every method answers nil for a value that is absent or wrong; a wrong one was reported.
struct PolicyReader {
    private(set) var issues: [PolicyIssue] = []

    mutating func report(_ value: PolicyValue, _ message: String, _ remedy: String) {
        issues.append(value.issue(message, remedy))
    }

    /// The fields of a mapping by name; names other than `keys` are reported.
    mutating func mapping(_ value: PolicyValue?, keys: [String]) -> [String: PolicyValue]? {
        guard let value else { return nil }
        guard case .mapping(let pairs) = value.content else {
            report(value, "This is \(value.kind).", "It takes fields: \(keys.joined(separator: ", ")).")
            return nil
        }
        var fields: [String: PolicyValue] = [:]
        for (key, field) in pairs {
            guard case .scalar(let name, _) = key.content else { continue }
            guard keys.contains(name) else {
                let path = value.path.isEmpty ? name : "\(value.path).\(name)"
                let unknown = PolicyValue(content: key.content, path: path, line: key.line, column: key.column)
                report(unknown, "There is no such field.", Spelling.remedy(for: name, among: keys))
                continue
            }
            fields[name] = field
        }
        return fields
    }

    /// The items of a list.
    mutating func list(_ value: PolicyValue?, of what: String, atMost limit: Int = Limits.rolloutPolicyParts)
        -> [PolicyValue]?
    {
        guard let value else { return nil }
        guard case .sequence(let items) = value.content else {
            report(value, "This is \(value.kind).", "It takes a list of \(what).")
            return nil
        }
        guard items.count <= limit else {
            report(value, "The list has \(items.count) items.", "At most \(limit) are read.")
            return nil
        }
        return items
    }

    /// A scalar's text, quoted or not.
    mutating func text(_ value: PolicyValue?, _ rule: String) -> String? {
        guard let value else { return nil }
        guard case .scalar(let text, _) = value.content else {
            report(value, "This is \(value.kind).", "Write \(rule).")
            return nil
        }
        return text
    }

    /// A value of a type with a rule of its own.
    mutating func parsed<Value>(_ value: PolicyValue?, _ rule: String, _ parse: (String) -> Value?) -> Value? {
        guard let value, let text = text(value, rule) else { return nil }
        guard let found = parse(text) else {
            report(value, "\(value.kind) cannot be read here.", "Write \(rule).")
            return nil
        }
        return found
    }

    /// A validated name of the glossary.
    mutating func name<Value: ValidatedString>(_ value: PolicyValue?, as type: Value.Type) -> Value? {
        guard let value, let text = text(value, "a name") else { return nil }
        do {
            return try Value(text)
        } catch {
            report(value, error.message, error.remedy)
            return nil
        }
    }

    /// A number that must not be quoted: quoted it is a text.
    private mutating func unquoted(_ value: PolicyValue?, _ rule: String) -> String? {
        guard let value else { return nil }
        if case .scalar(_, isQuoted: true) = value.content {
            report(value, "This is \(value.kind).", "Write \(rule), without quotes.")
            return nil
        }
        return text(value, rule)
    }

    /// A whole number within bounds.
    mutating func whole(_ value: PolicyValue?, in bounds: ClosedRange<Int>) -> Int? {
        let rule = "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)"
        guard let value, let text = unquoted(value, rule) else { return nil }
        guard let number = Int(text), bounds.contains(number), !text.hasPrefix("+") else {
            report(value, "\(value.kind) is not allowed.", "Write \(rule).")
            return nil
        }
        return number
    }

    /// A number within bounds.
    mutating func number(_ value: PolicyValue?, in bounds: ClosedRange<Double>) -> Double? {
        let rule =
            "a number from \(PolicyNotation.number(bounds.lowerBound)) to \(PolicyNotation.number(bounds.upperBound))"
        guard let value, let text = unquoted(value, rule) else { return nil }
        guard let number = PolicyNotation.number(text), bounds.contains(number) else {
            report(value, "\(value.kind) is not allowed.", "Write \(rule).")
            return nil
        }
        return number
    }

    /// `true` or `false`.
    mutating func flag(_ value: PolicyValue?) -> Bool? {
        guard let value, let text = unquoted(value, "true or false") else { return nil }
        guard text == "true" || text == "false" else {
            report(value, "\(value.kind) is neither true nor false.", "Write true or false.")
            return nil
        }
        return text == "true"
    }

    /// A length of time in seconds.
    mutating func duration(_ value: PolicyValue?, in bounds: ClosedRange<Int>) -> Int? {
        let rule = "a whole number and s, m, h or d, e.g. 10m"
        guard let value, let seconds = parsed(value, rule, PolicyNotation.seconds) else { return nil }
        guard bounds.contains(seconds) else {
            let from = PolicyNotation.duration(bounds.lowerBound)
            report(
                value, "\(value.kind) is not allowed.",
                "Write \(from) to \(PolicyNotation.duration(bounds.upperBound)).")
            return nil
        }
        return seconds
    }

    /// A share from 0 to 1 or more, written in per cent.
    mutating func share(_ value: PolicyValue?, in bounds: ClosedRange<Double>) -> Double? {
        let rule = "a share in per cent, e.g. 10%"
        guard let value, let share = parsed(value, rule, PolicyNotation.share) else { return nil }
        guard bounds.contains(share) else {
            let from = PolicyNotation.percent(bounds.lowerBound)
            report(
                value, "\(value.kind) is not allowed.", "Write \(from) to \(PolicyNotation.percent(bounds.upperBound))."
            )
            return nil
        }
        return share
    }

    /// The same in whole thousandths.
    mutating func permille(_ value: PolicyValue?, in bounds: ClosedRange<Int>) -> Int? {
        let range = Double(bounds.lowerBound) / 1000...Double(bounds.upperBound) / 1000
        guard let value, let share = share(value, in: range) else { return nil }
        let thousandths = (share * 1000).rounded()
        guard abs(share * 1000 - thousandths) < 1e-6 else {
            report(value, "\(value.kind) is too fine.", "Write at most one digit after the point, e.g. 2.5%.")
            return nil
        }
        return Int(thousandths)
    }

    /// One of a closed set.
    mutating func choice<Value: RawRepresentable & CaseIterable>(_ value: PolicyValue?, as type: Value.Type) -> Value?
    where Value.RawValue == String {
        let names = Value.allCases.map(\.rawValue)
        guard let value, let text = text(value, "one of \(names.joined(separator: ", "))") else { return nil }
        guard let found = Value(rawValue: text) else {
            report(value, "There is no \(value.kind).", Spelling.remedy(for: text, among: names))
            return nil
        }
        return found
    }

    /// A list of codes that reports carry, e.g. `downloadFailed`.
    mutating func codes(_ value: PolicyValue?) -> [String]? {
        guard let items = list(value, of: "causes, e.g. [downloadFailed]") else { return nil }
        let rule = "a cause as reports name it, e.g. downloadFailed"
        return items.compactMap { item in
            parsed(item, rule) { text in
                let isCode =
                    !text.isEmpty && text.utf8.count <= Limits.nameBytes
                    && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
                return isCode ? text : nil
            }
        }
    }
}
