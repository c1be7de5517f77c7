internal import MartletTypes

/// The walk through the head of a file: header, metadata, tensor table, in this order.
struct GGUFReader {
    var cursor: GGUFCursor
    let limits: GGUFLimits
    /// Bytes of strings kept so far.
    private var keptBytes: UInt64 = 0
    /// Strings and inner arrays walked over so far.
    private var visitedElements: UInt64 = 0

    /// The shortest pair: key length, one byte of key, type, one byte of value.
    private static let leastEntryBytes: UInt64 = 8 + 1 + 4 + 1
    private static let defaultAlignment: UInt64 = 32

    init(source: some ByteSource, limits: GGUFLimits) {
        cursor = GGUFCursor(source: source)
        self.limits = limits
    }

    mutating func file() throws(GGUFError) -> GGUFFile {
        let version = try header()
        let tensorCount = try count("n_tensors", limit: limits.tensors, leastBytes: Self.leastTensorBytes)
        let entryCount = try count("n_kv", limit: limits.metadataEntries, leastBytes: Self.leastEntryBytes)
        let metadata = try metadata(count: entryCount)
        let alignment = try alignment(of: metadata)
        let rows = try tensorRows(count: tensorCount)
        let dataOffset = try dataOffset(alignment: alignment, hasTensors: !rows.isEmpty)
        let tensors = try place(rows, dataOffset: dataOffset, alignment: alignment)
        return GGUFFile(
            version: version, metadata: metadata, tensors: tensors, dataOffset: dataOffset, alignment: alignment,
            fileSize: ByteCount(Int64(clamping: cursor.source.length)))
    }

    private mutating func header() throws(GGUFError) -> UInt32 {
        let magic = try cursor.bytes(4, "magic")
        guard magic == Array("GGUF".utf8) else {
            let reversed = magic == Array("FUGG".utf8)
            throw GGUFError(
                reversed ? .bigEndian : .badMagic, field: "magic", offset: 0,
                detail: reversed ? "the file is written big-endian" : "the file does not start with the letters GGUF")
        }
        let version = try cursor.read(UInt32.self, "version")
        guard version == 2 || version == 3 else {
            // A version in the upper half alone is a small number written in the other byte order.
            let reversed = version & 0xffff == 0 && version != 0
            throw GGUFError(
                reversed ? .bigEndian : .unsupportedVersion, field: "version", offset: 4,
                detail: reversed
                    ? "the file is written big-endian, version \(version.byteSwapped)"
                    : "version \(version) is not read, only 2 and 3")
        }
        return version
    }

    /// A 64-bit count that is bounded by its limit and by what could fit into the rest of the file.
    mutating func count(
        _ field: @autoclosure () -> String, limit: UInt64, leastBytes: UInt64
    ) throws(GGUFError) -> UInt64 {
        let offset = cursor.position
        let count = try cursor.read(UInt64.self, field())
        guard count <= limit else {
            throw GGUFError(.tooMany, field: field(), offset: offset, detail: "\(count) is above the limit of \(limit)")
        }
        guard count <= cursor.remaining / leastBytes else {
            throw GGUFError(
                .truncated, field: field(), offset: offset,
                detail: "\(count) entries cannot fit into the \(cursor.remaining) bytes that are left")
        }
        return count
    }

    private mutating func metadata(count: UInt64) throws(GGUFError) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        for index in 0..<count {
            let keyOffset = cursor.position
            let key = try name("metadata[\(index)].key", limit: limits.keyBytes)
            let field = "metadata[\"\(key)\"]"
            let type = try valueType(field + ".type")
            let offset = cursor.position
            let value = try value(type, field)
            guard metadata.insert(.init(key: key, value: value, offset: offset)) else {
                throw GGUFError(.duplicateKey, field: field, offset: keyOffset, detail: "the key stands there twice")
            }
        }
        return metadata
    }

    /// A length-prefixed key or tensor name in printable ASCII.
    mutating func name(_ field: @autoclosure () -> String, limit: UInt64) throws(GGUFError) -> String {
        let offset = cursor.position
        let length = try cursor.read(UInt64.self, field() + ".length")
        guard length <= limit else {
            throw GGUFError(
                .tooLong, field: field() + ".length", offset: offset,
                detail: "\(length) bytes are above the limit of \(limit)")
        }
        let bytes = try cursor.bytes(length, field())
        guard !bytes.isEmpty, bytes.allSatisfy({ (0x20...0x7e).contains($0) }) else {
            throw GGUFError(
                .badName, field: field(), offset: offset,
                detail: bytes.isEmpty ? "the name is empty" : "the name has bytes outside printable ASCII")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func valueType(_ field: @autoclosure () -> String) throws(GGUFError) -> GGUFValueType {
        let offset = cursor.position
        let number = try cursor.read(UInt32.self, field())
        guard let type = GGUFValueType(rawValue: number) else {
            throw GGUFError(.unknownValueType, field: field(), offset: offset, detail: "there is no type \(number)")
        }
        return type
    }

    private mutating func value(_ type: GGUFValueType, _ field: String) throws(GGUFError) -> GGUFValue {
        switch type {
        case .uint8: .unsigned(UInt64(try cursor.read(UInt8.self, field)), type)
        case .uint16: .unsigned(UInt64(try cursor.read(UInt16.self, field)), type)
        case .uint32: .unsigned(UInt64(try cursor.read(UInt32.self, field)), type)
        case .uint64: .unsigned(try cursor.read(UInt64.self, field), type)
        case .int8: .signed(Int64(try cursor.read(Int8.self, field)), type)
        case .int16: .signed(Int64(try cursor.read(Int16.self, field)), type)
        case .int32: .signed(Int64(try cursor.read(Int32.self, field)), type)
        case .int64: .signed(try cursor.read(Int64.self, field), type)
        case .float32: .float(Double(Float(bitPattern: try cursor.read(UInt32.self, field))), type)
        case .float64: .float(Double(bitPattern: try cursor.read(UInt64.self, field)), type)
        case .bool: .bool(try boolean(field))
        case .string: try text(field)
        case .array: .array(try array(field))
        }
    }

    private mutating func boolean(_ field: String) throws(GGUFError) -> Bool {
        let offset = cursor.position
        let byte = try cursor.read(UInt8.self, field)
        guard byte <= 1 else {
            throw GGUFError(.badBoolean, field: field, offset: offset, detail: "\(byte) is neither 0 nor 1")
        }
        return byte == 1
    }

    /// The length of a string, bounded by its limit and by the rest of the file.
    private mutating func textLength(_ field: @autoclosure () -> String) throws(GGUFError) -> UInt64 {
        let offset = cursor.position
        let length = try cursor.read(UInt64.self, field() + ".length")
        guard length <= limits.stringBytes else {
            throw GGUFError(
                .tooLong, field: field() + ".length", offset: offset,
                detail: "\(length) bytes are above the limit of \(limits.stringBytes)")
        }
        try cursor.require(length, field())
        return length
    }

    private mutating func text(_ field: String) throws(GGUFError) -> GGUFValue {
        let length = try textLength(field)
        let offset = cursor.position
        guard length <= limits.keptStringBytes else {
            try cursor.skip(length, field)
            return .longText(GGUFRange(offset: offset, length: length))
        }
        try keep(length, field)
        guard let text = String(validating: try cursor.bytes(length, field), as: UTF8.self) else {
            throw GGUFError(.badText, field: field, offset: offset, detail: "the string is not UTF-8")
        }
        return .text(text)
    }

    /// Accounts for bytes of metadata that will be held in memory.
    private mutating func keep(_ bytes: UInt64, _ field: String) throws(GGUFError) {
        keptBytes += bytes
        guard keptBytes <= limits.keptBytes else {
            throw GGUFError(
                .tooMany, field: field, offset: cursor.position,
                detail: "the metadata values together exceed \(limits.keptBytes) bytes")
        }
    }

    private mutating func array(_ field: String, depth: Int = 1) throws(GGUFError) -> GGUFArray {
        guard depth <= limits.arrayDepth else {
            throw GGUFError(
                .nestedTooDeep, field: field, offset: cursor.position,
                detail: "arrays are nested deeper than \(limits.arrayDepth)")
        }
        let type = try valueType(field + ".elementType")
        let count = try count(field + ".count", limit: limits.arrayElements, leastBytes: type.leastBytes)
        let start = cursor.position
        var integers: [Int64]?
        if let width = type.byteCount {
            let isWhole = type != .float32 && type != .float64
            if isWhole, depth == 1, count <= limits.keptArrayElements {
                integers = try shortIntegers(type, count: count, field)
            }
            // `count` was bounded by the file's length, so the product cannot overflow.
            try cursor.skip(start + count * width - cursor.position, field)
        } else {
            try walk(type, count: count, field, depth: depth)
        }
        let range = GGUFRange(offset: start, length: cursor.position - start)
        return GGUFArray(elementType: type, count: count, range: range, integers: integers)
    }

    /// Keeps a short array of whole numbers, or of truths as 0 and 1; nil where one does not fit, which only `uint64`
    /// can.
    private mutating func shortIntegers(
        _ type: GGUFValueType, count: UInt64, _ field: String
    ) throws(GGUFError) -> [Int64]? {
        try keep(count * 8, field)
        var integers: [Int64] = []
        for _ in 0..<count {
            let value = try value(type, field)
            guard let number = value.integer ?? value.boolean.map({ $0 ? 1 : 0 }) else { return nil }
            integers.append(number)
        }
        return integers
    }

    /// Walks over strings or inner arrays: their lengths are checked, their content is not kept.
    private mutating func walk(
        _ type: GGUFValueType, count: UInt64, _ field: String, depth: Int
    ) throws(GGUFError) {
        for index in 0..<count {
            visitedElements += 1
            guard visitedElements <= limits.visitedElements else {
                throw GGUFError(
                    .tooMany, field: "\(field)[\(index)]", offset: cursor.position,
                    detail: "the arrays together have more than \(limits.visitedElements) strings and arrays")
            }
            if type == .string {
                let length = try textLength("\(field)[\(index)]")
                try cursor.skip(length, "\(field)[\(index)]")
            } else {
                _ = try array("\(field)[\(index)]", depth: depth + 1)
            }
        }
    }

    private func alignment(of metadata: GGUFMetadata) throws(GGUFError) -> UInt64 {
        guard let entry = metadata.entry("general.alignment") else { return Self.defaultAlignment }
        let field = "metadata[\"general.alignment\"]"
        guard case .unsigned(let value, .uint32) = entry.value else {
            throw GGUFError(
                .wrongType, field: field, offset: entry.offset, detail: "the type is \(entry.value.type), not uint32")
        }
        guard value >= 8, value <= limits.alignment, value & (value - 1) == 0 else {
            throw GGUFError(
                .badAlignment, field: field, offset: entry.offset,
                detail: "\(value) is no power of two from 8 to \(limits.alignment)")
        }
        return value
    }
}
