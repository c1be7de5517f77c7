/// The types a metadata value can have. Raw values are `enum gguf_metadata_value_type` of the GGUF specification.
package enum GGUFValueType: UInt32, Sendable, Hashable, CaseIterable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// Bytes of one value; nil for strings and arrays, which say it themselves.
    package var byteCount: UInt64? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The least number of bytes a value takes in the file.
    var leastBytes: UInt64 {
        switch self {
        case .string: 8
        case .array: 12
        default: byteCount ?? 1
        }
    }
}

/// A place in a file: what was walked over and not kept.
package struct GGUFRange: Sendable, Hashable {
    /// Bytes from the start of the file.
    package let offset: UInt64
    /// Number of bytes.
    package let length: UInt64
}

/// An array in the metadata, by its place. Token lists have hundreds of thousands of elements and are never kept.
package struct GGUFArray: Sendable, Hashable {
    /// The type of each element.
    package let elementType: GGUFValueType
    /// The number of elements.
    package let count: UInt64
    /// Where the elements stand in the file.
    package let range: GGUFRange
    /// The elements of a short array of whole numbers, e.g. heads for each layer; nil for every other array.
    package let integers: [Int64]?
}

/// A metadata value. Whole numbers of all widths are one case each for signed and unsigned.
package enum GGUFValue: Sendable, Hashable {
    case unsigned(UInt64, GGUFValueType)
    case signed(Int64, GGUFValueType)
    case float(Double, GGUFValueType)
    case bool(Bool)
    case text(String)
    /// A string too long to keep.
    case longText(GGUFRange)
    case array(GGUFArray)

    /// The type the file gives the value.
    package var type: GGUFValueType {
        switch self {
        case .unsigned(_, let type), .signed(_, let type), .float(_, let type): type
        case .bool: .bool
        case .text, .longText: .string
        case .array: .array
        }
    }

    /// A whole number of any width that fits; nil for anything else.
    package var integer: Int64? {
        switch self {
        case .unsigned(let value, _): Int64(exactly: value)
        case .signed(let value, _): value
        default: nil
        }
    }

    /// A number, whole or not; nil for anything else.
    package var number: Double? {
        switch self {
        case .unsigned(let value, _): Double(value)
        case .signed(let value, _): Double(value)
        case .float(let value, _): value
        default: nil
        }
    }

    /// The text of a kept string; nil for anything else.
    package var string: String? { if case .text(let text) = self { text } else { nil } }

    /// The value of a Boolean; nil for anything else.
    package var boolean: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The place of an array; nil for anything else.
    package var array: GGUFArray? { if case .array(let array) = self { array } else { nil } }
}

/// The key-value pairs of a file, in the file's order.
package struct GGUFMetadata: Sendable {
    /// A value and where it stands.
    package struct Entry: Sendable {
        /// The key, e.g. `general.architecture`.
        package let key: String
        /// The value.
        package let value: GGUFValue
        /// Where the value starts, in bytes from the start of the file.
        package let offset: UInt64
    }

    /// All pairs in the file's order.
    package private(set) var entries: [Entry] = []
    private var positions: [String: Int] = [:]

    /// The value of `key`; nil where absent.
    package subscript(key: String) -> GGUFValue? { entry(key)?.value }

    /// The number of pairs.
    package var count: Int { entries.count }

    func entry(_ key: String) -> Entry? { positions[key].map { entries[$0] } }

    /// Adds a pair; false where the key stands there already.
    mutating func insert(_ entry: Entry) -> Bool {
        guard positions.updateValue(entries.count, forKey: entry.key) == nil else { return false }
        entries.append(entry)
        return true
    }
}
