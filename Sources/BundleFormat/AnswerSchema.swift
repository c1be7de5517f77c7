package import MartletTypes

/// A JSON schema that an answer must fit: the part of draft 2020-12 that says what applications ask of small models.
///
/// The keywords are in `docs/formats/probes.md`; any other is refused, for what is not checked must not look as if it
/// were.
package struct AnswerSchema: Sendable, Hashable {
    private let root: SchemaNode

    /// Reads a schema. Throws `invalid` with the place, as a JSON pointer, of what is wrong.
    package init(_ schema: JSONValue) throws(BundleError) {
        var count = 0
        root = try SchemaNode(schema, at: "", depth: 1, count: &count)
    }

    /// Why an answer does not fit, in words without its content; nil where it does.
    package func refusal(of answer: String) -> String? {
        guard let value = try? JSONValue(parsing: Array(answer.utf8)) else { return "it is not JSON" }
        return root.refusal(of: value, at: "")
    }
}

/// One schema within a schema.
struct SchemaNode: Sendable, Hashable {
    enum Kind: String, CaseIterable {
        case object, array, string, number, integer, boolean
        case nothing = "null"
    }

    private var kinds: Set<Kind>?
    private var choices: [JSONValue]?
    private var properties: [String: SchemaNode] = [:]
    private var required: [String] = []
    private var allowsOthers = true
    /// None, or the one schema of all elements.
    private var items: [SchemaNode] = []
    private var sizes: [Size: Int64] = [:]
    private var minimum: Double?
    private var maximum: Double?

    private enum Size: String, CaseIterable { case minItems, maxItems, minLength, maxLength }

    private static let notes: Set<String> = ["title", "description", "$schema", "examples", "default"]

    init(_ schema: JSONValue, at place: String, depth: Int, count: inout Int) throws(BundleError) {
        count += 1
        guard depth <= BundleLimits.schemaDepth, count <= BundleLimits.schemaNodes else {
            throw Self.fault(
                place,
                "is too much: a schema has at most \(BundleLimits.schemaNodes) schemas in it, "
                    + "\(BundleLimits.schemaDepth) deep")
        }
        guard let members = schema.object else { throw Self.fault(place, "is not an object") }
        for (keyword, value) in members.sorted(by: { $0.key < $1.key }) {
            let here = place + "/" + keyword
            switch keyword {
            case "type": kinds = try Self.kinds(value, here)
            case "enum", "const": choices = try Self.choices(keyword == "const" ? .array([value]) : value, here)
            case "required": required = try Self.strings(value, here)
            case "minimum": minimum = try Self.number(value, here)
            case "maximum": maximum = try Self.number(value, here)
            case "additionalProperties":
                guard let allowed = value.bool else { throw Self.fault(here, "is neither true nor false") }
                allowsOthers = allowed
            case "items": items = [try SchemaNode(value, at: here, depth: depth + 1, count: &count)]
            case "properties":
                guard let named = value.object else { throw Self.fault(here, "is not an object") }
                for (name, schema) in named.sorted(by: { $0.key < $1.key }) {
                    properties[name] = try SchemaNode(
                        schema, at: here + "/" + name, depth: depth + 1, count: &count)
                }
            default:
                if let size = Size(rawValue: keyword) {
                    guard let bound = value.integer, bound >= 0 else {
                        throw Self.fault(here, "is not a whole number from 0")
                    }
                    sizes[size] = bound
                } else if !Self.notes.contains(keyword) {
                    throw Self.fault(here, "is a keyword that is not known here")
                }
            }
        }
    }

    private static func fault(_ place: String, _ problem: String) -> BundleError {
        BundleError(.invalid, "schema", place.isEmpty ? "/" : place, problem)
    }

    private static func kinds(_ value: JSONValue, _ place: String) throws(BundleError) -> Set<Kind> {
        var kinds: Set<Kind> = []
        for element in value.array ?? [value] {
            guard let kind = element.string.flatMap(Kind.init(rawValue:)) else {
                throw fault(place, "is none of " + Kind.allCases.map(\.rawValue).joined(separator: ", "))
            }
            kinds.insert(kind)
        }
        guard !kinds.isEmpty else { throw fault(place, "is empty") }
        return kinds
    }

    private static func choices(_ value: JSONValue, _ place: String) throws(BundleError) -> [JSONValue] {
        guard let choices = value.array, !choices.isEmpty, choices.count <= BundleLimits.schemaChoices else {
            throw fault(place, "is not a list of 1 to \(BundleLimits.schemaChoices) values")
        }
        return choices
    }

    private static func strings(_ value: JSONValue, _ place: String) throws(BundleError) -> [String] {
        let names = value.array?.compactMap(\.string)
        guard let names, names.count == value.array?.count, names.count <= BundleLimits.schemaNodes else {
            throw fault(place, "is not a list of names")
        }
        return names
    }

    private static func number(_ value: JSONValue, _ place: String) throws(BundleError) -> Double {
        guard let number = value.number else { throw fault(place, "is not a number") }
        return number
    }

    // MARK: Checking

    /// Bounded by the schema's own depth: what it does not describe is not looked into.
    func refusal(of value: JSONValue, at place: String) -> String? {
        let name = place.isEmpty ? "the answer" : "its \(place)"
        if let kinds, !kinds.contains(where: { Self.isOf($0, value) }) {
            return "\(name) is no " + kinds.map(\.rawValue).sorted().joined(separator: " or ")
        }
        if let choices, !choices.contains(where: { Self.isSame($0, value) }) {
            return "\(name) is none of the \(choices.count) values that are allowed"
        }
        if let number = value.number {
            if let minimum, number < minimum { return "\(name) is below \(minimum)" }
            if let maximum, number > maximum { return "\(name) is above \(maximum)" }
        }
        if let text = value.string, let fault = sized(Int64(text.unicodeScalars.count), .minLength, .maxLength) {
            return "\(name) has \(fault) characters"
        }
        if let elements = value.array {
            if let fault = sized(Int64(elements.count), .minItems, .maxItems) { return "\(name) has \(fault) elements" }
            for (index, element) in elements.enumerated() {
                for item in items {
                    if let refusal = item.refusal(of: element, at: "\(place)/\(index)") { return refusal }
                }
            }
        }
        return value.object.flatMap { refusal(of: $0, at: place, name) }
    }

    private func refusal(of members: [String: JSONValue], at place: String, _ name: String) -> String? {
        if let missing = required.first(where: { members[$0] == nil }) { return "\(name) lacks \(missing)" }
        if !allowsOthers, members.keys.contains(where: { properties[$0] == nil }) {
            return "\(name) has a member that is not allowed"
        }
        for (key, node) in properties.sorted(by: { $0.key < $1.key }) {
            if let member = members[key], let refusal = node.refusal(of: member, at: place + "/" + key) {
                return refusal
            }
        }
        return nil
    }

    private func sized(_ count: Int64, _ least: Size, _ most: Size) -> String? {
        if let least = sizes[least], count < least { return "fewer than \(least)" }
        if let most = sizes[most], count > most { return "more than \(most)" }
        return nil
    }

    private static func isOf(_ kind: Kind, _ value: JSONValue) -> Bool {
        switch (kind, value) {
        case (.object, .object), (.array, .array), (.string, .string), (.boolean, .bool), (.nothing, .null): true
        case (.number, .integer), (.number, .number), (.integer, .integer): true
        case (.integer, .number(let number)): number == number.rounded()
        default: false
        }
    }

    /// 1 and 1.0 are the same number.
    private static func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
        if let left = left.number, let right = right.number { return left == right }
        return left == right
    }
}

extension JSONValue {
    /// The value of any number; nil for anything else.
    fileprivate var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}

extension BundleLimits {
    /// Levels of a probe's schema.
    package static let schemaDepth = 16
    /// Schemas within a probe's schema, and names that it requires.
    package static let schemaNodes = 256
    /// Values that an `enum` may list.
    package static let schemaChoices = 256
}
