internal import MartletTypes

/// One object of a configuration file, with its place in the file for errors. What is absent takes a default; what is
/// present but wrong, or unknown, is an error that names its place. Values are not repeated: some are secret.
struct ConfigurationObject {
    /// Where it stands, e.g. `engine`; empty for the whole file.
    let path: String
    private let members: [String: JSONValue]

    /// Checks that it is an object whose members are all known; nil knows any name.
    init(_ value: JSONValue, at path: String, knowing names: [String]?) throws(AgentError) {
        guard case .object(let members) = value else {
            throw Self.wrong(path.isEmpty ? "the file" : path, "is \(Self.kind(value))", "an object in braces")
        }
        self.path = path
        self.members = members
        guard let names else { return }
        for name in members.keys.sorted() where !names.contains(name) {
            throw AgentError(
                .invalidConfiguration, "\(path.isEmpty ? name : path + "." + name) is not a known member.",
                remedy: "Known here: \(names.joined(separator: ", ")).")
        }
    }

    /// Names of the members in order.
    var names: [String] { members.keys.sorted() }

    func isPresent(_ name: String) -> Bool { members[name] != nil }

    func object(_ name: String, knowing names: [String]?) throws(AgentError) -> ConfigurationObject? {
        guard let value = members[name] else { return nil }
        return try ConfigurationObject(value, at: place(name), knowing: names)
    }

    func text(_ name: String) throws(AgentError) -> String? {
        guard let value = members[name] else { return nil }
        guard case .string(let text) = value, !text.isEmpty else {
            throw wrong(name, "is \(Self.kind(value))", "a string that is not empty")
        }
        return text
    }

    /// An absolute path.
    func absolutePath(_ name: String) throws(AgentError) -> String? {
        guard let text = try text(name) else { return nil }
        guard text.hasPrefix("/"), !text.utf8.contains(0) else {
            throw wrong(name, "is not an absolute path", "a path that starts with /")
        }
        return text
    }

    func texts(_ name: String) throws(AgentError) -> [String]? {
        guard let value = members[name] else { return nil }
        guard case .array(let elements) = value else {
            throw wrong(name, "is \(Self.kind(value))", "an array of strings")
        }
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            guard case .string(let text) = element, !text.isEmpty else {
                throw wrong("\(name)[\(index)]", "is \(Self.kind(element))", "a string that is not empty")
            }
            texts.append(text)
        }
        return texts
    }

    func integer(_ name: String, in range: ClosedRange<Int64>) throws(AgentError) -> Int64? {
        guard let value = members[name] else { return nil }
        let demand = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard case .integer(let number) = value else { throw wrong(name, "is \(Self.kind(value))", demand) }
        guard range.contains(number) else { throw wrong(name, "is \(number)", demand) }
        return number
    }

    func choice<Choice>(_ name: String, of type: Choice.Type) throws(AgentError) -> Choice?
    where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
        guard let text = try text(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw wrong(name, "is not a known word", Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// Reads what has rules of its own.
    func checked<Value>(
        _ name: String, _ read: () throws(InvalidValue) -> Value
    ) throws(AgentError) -> Value {
        do {
            return try read()
        } catch {
            throw AgentError(
                .invalidConfiguration, "\(place(name)): \(error.message)", remedy: error.remedy)
        }
    }

    func wrong(_ name: String, _ fault: String, _ demand: String) -> AgentError {
        Self.wrong(place(name), fault, demand)
    }

    private func place(_ name: String) -> String { path.isEmpty ? name : path + "." + name }

    private static func wrong(_ place: String, _ fault: String, _ demand: String) -> AgentError {
        AgentError(.invalidConfiguration, "\(place) \(fault).", remedy: "Use \(demand).")
    }

    private static func kind(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "true or false"
        case .integer: "a number"
        case .number: "a number with a fraction"
        case .string(let text): text.isEmpty ? "an empty string" : "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
